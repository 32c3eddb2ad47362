from django.http import HttpRequest, HttpResponse


def gift(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")


def pay(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")


def go_on(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")


def change(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")


def intent(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")


def status(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")


def receipt_pdf(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")

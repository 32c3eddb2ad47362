from django.http import HttpRequest, HttpResponse


def today(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")


def figures(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")


def gifts(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")


def gift(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")


def pools(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")

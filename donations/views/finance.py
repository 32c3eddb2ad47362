from django.http import HttpRequest, HttpResponse


def receipts(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")


def exports(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")


def export_gifts(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")


def export_receipts(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")

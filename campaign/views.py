from django.http import HttpRequest, HttpResponse


def home(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")


def funds(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")


def fund(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")


def stories(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")


def story(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")


def match(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")


def progress(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")


def healthz(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")


def readyz(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")

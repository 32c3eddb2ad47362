from django.http import HttpRequest, HttpResponse


def give(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")


def match_line(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")

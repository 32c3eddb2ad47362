"""The staff of the cast: Dana of development, Farid of finance, Olga who has a log-in and no group."""

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, User
from django.test import Client

PASSWORD = "correct horse battery staple"


def person(name: str, group: str = "", *, password: str = "") -> User:
    """Somebody on the staff; without a password they can only be logged in by client_of()."""
    user = User.objects.create(
        username=name, password=make_password(password or None), first_name=name.title(), is_staff=True
    )
    if group:
        user.groups.add(Group.objects.get(name=group))
    return user


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def dana() -> Client:
    return client_of(person("dana", "development"))


def farid() -> Client:
    return client_of(person("farid", "finance"))


def olga() -> Client:
    return client_of(person("olga"))


def text_of(response) -> str:
    """The page's words without its white space, for sentences that templates break over lines."""
    return " ".join(response.content.decode().split())

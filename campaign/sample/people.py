"""The demo's log-ins: one for each group of the staff, and one that may do everything."""

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, User

from donations.roles import ensure_groups

ADMIN = "admin"
_PEOPLE = {"development": ("Dana", "Moreno"), "finance": ("Farid", "Aziz"), ADMIN: ("Alex", "Tremblay")}


def write_people(*, password: str) -> list[str]:
    """Make the log-ins that are missing, all with this password; the names of those made."""
    there = set(User.objects.filter(username__in=_PEOPLE).values_list("username", flat=True))
    missing = [name for name in _PEOPLE if name not in there]
    if missing:
        ensure_groups()
        password_hash = make_password(password)  # slow by design: once for all three
        for name in missing:
            _write_person(name, password_hash=password_hash)
    return missing


def _write_person(name: str, *, password_hash: str) -> None:
    first_name, last_name = _PEOPLE[name]
    person = User.objects.create(
        username=name,
        email=f"{name}@harborside.example.org",
        password=password_hash,
        first_name=first_name,
        last_name=last_name,
        is_staff=True,
        is_superuser=name == ADMIN,
    )
    if name != ADMIN:
        person.groups.add(Group.objects.get(name=name))

"""The demo's log-ins: one for each group of the staff, and one that may do everything."""

from django.contrib.auth.models import Group, User

from donations.roles import ensure_groups

ADMIN = "admin"
_PEOPLE = {"development": ("Dana", "Moreno"), "finance": ("Farid", "Aziz"), ADMIN: ("Alex", "Tremblay")}


def write_people(*, password: str) -> list[str]:
    """Make the log-ins that are missing, all with this password; the names of those made."""
    ensure_groups()
    return [name for name in _PEOPLE if _write_person(name, password=password)]


def _write_person(name: str, *, password: str) -> bool:
    if User.objects.filter(username=name).exists():
        return False
    first_name, last_name = _PEOPLE[name]
    person = User.objects.create_user(
        username=name,
        email=f"{name}@harborside.example.org",
        password=password,
        first_name=first_name,
        last_name=last_name,
        is_staff=True,
        is_superuser=name == ADMIN,
    )
    if name != ADMIN:
        person.groups.add(Group.objects.get(name=name))
    return True

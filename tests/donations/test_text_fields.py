"""What strangers may read of what a donor types: no marks that hide or heap, no addresses that lead elsewhere."""

import pytest
from django.core.exceptions import ValidationError

from donations.text_fields import MailField, NameField, PlainNameField, one_line


@pytest.mark.parametrize("typed", ["\u3164", "\u115f\u1160", "\uffa0", "\u2800", "\U000e0041", "\u034f", "..."])
def test_a_name_that_nobody_sees_is_no_name(typed):
    with pytest.raises(ValidationError):
        NameField(error_messages={"required": "Write your name."}).clean(typed)


@pytest.mark.parametrize(
    "name", ["Zoë", "Nguyễn Thị Bích", "שָׁלוֹם", "محمد", "李小龍", "J. R. O’Neil, Jr.", "Dr.Wu", "St.John"]
)
def test_names_of_all_scripts_stay_as_they_are(name):
    assert PlainNameField().clean(name) == name


def test_marks_do_not_heap_up():
    assert one_line("Z" + "\u0300" * 60 + "o") == "Z" + "\u0300" * 4 + "o"


@pytest.mark.parametrize(
    "typed",
    [
        "win at evil.com",
        "EVIL.Shop/now",
        "bit.ly/3x",
        "ask me@evil.example",
        "ｗｗｗ．evil．example",
        "ftp://evil",
        "a.de/x",
    ],
)
def test_addresses_are_refused_in_what_strangers_read(typed):
    with pytest.raises(ValidationError, match="Write it without web addresses"):
        PlainNameField().clean(typed)


@pytest.mark.parametrize(
    "typed", ['"x\x01"@example.org', '"a\\"@x.org>b"@example.org', "a@b.org,c@d.org", "a@b.org\nBcc: c@d.org"]
)
def test_an_e_mail_address_holds_nothing_but_itself(typed):
    with pytest.raises(ValidationError):
        MailField(error_messages={"invalid": "Write it whole."}).clean(typed)

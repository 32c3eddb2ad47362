"""`/monthly/<token>/` and what is around it: the form's choice, the payment step, the donor's changes, strangers."""

import pytest
from django.urls import reverse

from donations.models import Donation, MonthlyGift
from tests import factories, staff
from tests.donations.give_form import error_beside, filled, give, open_campaign, words
from tests.donations.monthly_gifts import begun_monthly, control, deliver_all, story

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def campaign():
    made = open_campaign()
    factories.pool(campaign=made, limit_minor=1_000_000)
    return made


@pytest.fixture
def given(campaign, stripe_sandbox):
    return begun_monthly(campaign)


def page(client, given, name="monthly"):
    return words(client.get(reverse(name, args=[given.token])).content.decode())


class TestTheForm:
    def test_it_says_before_paying_what_is_matched_and_what_is_not(self, client, campaign):
        html = client.get("/give/").content.decode()
        assert '<input type="radio" name="way" value="once" checked>' in html
        assert "The first payment is matched; later ones are not." in words(html)
        quote = client.get("/give/match/?amount=100.00&fund=education&way=monthly").content.decode()
        assert "That is for the first payment; later ones are not matched." in words(quote)

    def test_it_starts_a_monthly_gift_and_the_payment_step_says_so(self, client, campaign):
        gift = give(client, way="monthly")
        assert (gift.way, gift.monthly.state, gift.monthly.amount_minor) == ("monthly", "started", 10_000)
        said = words(client.get(f"/gifts/{gift.token}/pay/").content.decode())
        assert "$100.00 today, and then on the " in said
        assert "This first payment is matched; later ones are not." in said
        assert "Give $100.00 each month" in said

    def test_a_form_that_comes_back_keeps_the_choice(self, client, campaign):
        html = client.post("/give/", filled(client, way="monthly", donor_name="")).content.decode()
        assert '<input type="radio" name="way" value="monthly" checked>' in html

    def test_changing_from_monthly_to_once_starts_another_gift(self, client, campaign):
        form = filled(client, way="monthly")
        client.post("/give/", form)
        client.post("/give/", form | {"way": "once"})
        assert list(Donation.objects.order_by("pk").values_list("way", "state")) == [
            ("monthly", "abandoned"),
            ("once", "started"),
        ]
        assert MonthlyGift.objects.get().state == "never"

    @pytest.mark.parametrize("way", ["yearly", "'; --", "MONTHLY"])
    def test_a_way_that_there_is_not_is_refused_in_words(self, client, campaign, way):
        html = client.post("/give/", filled(client, way=way)).content.decode()
        assert "Choose whether to give once or monthly." in words(html)
        assert Donation.objects.count() == 0

    def test_a_campaign_without_monthly_gifts_does_not_offer_them(self, client, campaign):
        campaign.takes_monthly = False
        campaign.save()
        assert "How often?" not in words(client.get("/give/").content.decode())
        html = client.post("/give/", filled(client, way="monthly")).content.decode()
        assert "We do not take monthly gifts at the moment. Please give once." in words(html)

    def test_where_monthly_gifts_are_not_matched_nothing_is_held(self, client, campaign):
        campaign.matches_first_monthly = False
        campaign.save()
        quote = client.get("/give/match/?amount=100.00&fund=education&way=monthly").content.decode()
        assert "Monthly gifts are not matched." in words(quote)
        gift = give(client, way="monthly")
        said = words(client.get(f"/gifts/{gift.token}/pay/").content.decode())
        assert ("There is no match for this gift." in said, "first payment is matched" in said) == (True, False)


class TestTheDonorsPage:
    def test_it_says_what_is_given_and_when_next(self, client, given):
        said = page(client, given)
        assert "Thank you, Maria. You give $100.00 each month for Education." in said
        assert "with Visa ending in 4242" in said
        assert "Payments" in said

    def test_a_stranger_sees_nothing(self, client, given):
        for name in ("monthly", "monthly-card", "monthly-stop", "monthly-card-done"):
            assert client.get(reverse(name, args=["x" * 43])).status_code == 404
        for name in ("monthly-amount", "monthly-day", "monthly-stop", "monthly-card-intent"):
            assert client.post(reverse(name, args=[given.donations.get().token])).status_code == 404

    def test_it_is_for_nobody_else_to_keep(self, client, given):
        answer = client.get(given.get_absolute_url())
        assert (answer["Cache-Control"], answer["Referrer-Policy"]) == ("private, no-store", "same-origin")
        assert answer["X-Robots-Tag"] == "noindex, nofollow"

    def test_the_amount_is_changed(self, client, given):
        answer = client.post(reverse("monthly-amount", args=[given.token]), {"amount": "40", "cover_fee": "on"})
        assert answer.status_code == 303
        said = words(client.get(answer["Location"]).content.decode())
        assert "Done. The monthly amount was $100.00 and is $41.51, from the next payment on." in said

    @pytest.mark.parametrize(
        ("amount", "problem"),
        [
            ("", "Write the new amount, such as 30."),
            ("1", "The smallest gift we can take by card is $5.00."),
            ("60,000", "The largest gift we can take by card is $50,000."),
            ("99,999,999", "The largest card gift is $999,999.99."),
            ("ten", ""),
        ],
    )
    def test_a_wrong_amount_is_said_beside_the_field(self, client, given, amount, problem):
        answer = client.post(reverse("monthly-amount", args=[given.token]), {"amount": amount})
        said = error_beside(answer.content.decode(), "amount")
        assert said
        assert problem in said
        assert story(given)["changes"] == ["began"]

    @pytest.mark.parametrize("day", ["", "31", "0", "first"])
    def test_a_wrong_day_is_said_beside_the_field(self, client, given, day):
        answer = client.post(reverse("monthly-day", args=[given.token]), {"day": day})
        assert "Choose a day" in error_beside(answer.content.decode(), "day")

    def test_stopping_asks_once_and_then_says_so(self, client, given):
        assert "Stop your monthly gift?" in page(client, given, "monthly-stop")
        assert story(given)["state"] == "active"
        answer = client.post(reverse("monthly-stop", args=[given.token]))
        said = words(client.get(answer["Location"]).content.decode())
        assert "Your monthly gift is stopped" in said
        assert "Nothing more will be charged." in said
        assert client.get(reverse("monthly-card", args=[given.token])).status_code == 303

    def test_a_refused_month_is_explained(self, client, given, stripe_sandbox):
        control(stripe_sandbox).renew(given.subscription, "expired_card")
        deliver_all()
        said = page(client, given)
        assert "This month’s gift did not go through" in said
        assert "The payment of $100.00 did not go through: the card has expired. Nothing was charged." in said
        assert "It is tried again on" in said

    def test_when_stripe_is_away_it_says_so_and_nothing_changes(self, client, given, stripe_sandbox):
        control(stripe_sandbox).faults(answer="503", path="/v1/", times=0)
        unsure = "We do not know yet whether the change was made;"
        certain = "Nothing was changed and nothing was charged."  # by then Stripe counts as down, and is not called
        for name, sent, said in (
            ("amount", {"amount": "40"}, unsure), ("day", {"day": "3"}, unsure), ("stop", {}, certain)
        ):  # fmt: skip
            answer = client.post(reverse(f"monthly-{name}", args=[given.token]), sent)
            assert answer.status_code == 503
            assert said in words(answer.content.decode())
        answer = client.post(reverse("monthly-card-intent", args=[given.token]))
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert story(given)["changes"] == ["began"]

    def test_the_card_page_speaks_to_stripe_alone(self, client, given):
        answer = client.get(reverse("monthly-card", args=[given.token]))
        assert "frame-src https://js.stripe.com https://*.js.stripe.com" in answer["Content-Security-Policy"]
        assert '"mode": "setup"' in answer.content.decode()

    def test_coming_back_without_a_saved_card_leads_to_the_card_page(self, client, given):
        client.post(reverse("monthly-card-intent", args=[given.token]))
        answer = client.get(reverse("monthly-card-done", args=[given.token]))
        assert answer["Location"] == reverse("monthly-card", args=[given.token])

    def test_the_gifts_own_page_leads_there(self, client, given):
        said = client.get(given.donations.get().get_absolute_url()).content.decode()
        assert f'<a href="/monthly/{given.token}/">See, change or stop your monthly gift</a>' in said


class TestStaff:
    def test_it_lists_monthly_gifts_and_flags_their_payments(self, given):
        dana = staff.dana()
        listed = words(staff.text_of(dana.get("/staff/monthly/")))
        assert "counts in the campaign in which the monthly gift began" in listed
        assert f"{given.reference} the donor’s page Maria Alvarez" in listed
        assert "1 running, $100.00 a month" in listed
        assert "monthly" in staff.text_of(dana.get("/staff/gifts/?state=monthly"))
        gift_page = words(staff.text_of(dana.get(f"/staff/gifts/{given.donations.get().pk}/")))
        assert f"{given.reference} the first payment; active" in gift_page
        assert "None here." in staff.text_of(dana.get("/staff/monthly/?state=stopped"))

    def test_it_stops_one_for_a_donor_who_called(self, given):
        dana = staff.dana()
        answer = dana.post(f"/staff/monthly/{given.pk}/stop/", follow=True)
        assert f"{given.reference} is stopped." in staff.text_of(answer)
        assert (story(given)["state"], given.changes.last().actor.partition(":")[0]) == ("stopped", "staff")
        answer = dana.post(f"/staff/monthly/{given.pk}/stop/", follow=True)
        assert MonthlyGift.objects.get().changes.filter(kind="stopped").count() == 1

    def test_only_those_with_the_right_stop_one(self, client, given):
        assert staff.olga().post(f"/staff/monthly/{given.pk}/stop/").status_code == 403
        assert client.post(f"/staff/monthly/{given.pk}/stop/").status_code == 302
        assert story(given)["state"] == "active"

    def test_when_stripe_is_away_nothing_is_stopped(self, given, stripe_sandbox):
        control(stripe_sandbox).faults(answer="503", path="/v1/", times=0)
        answer = staff.dana().post(f"/staff/monthly/{given.pk}/stop/", follow=True)
        assert "Stripe does not answer at this moment. Nothing was changed." in staff.text_of(answer)
        assert story(given)["state"] == "active"

from django.contrib.auth import views as auth_views
from django.urls import path

from donations.sign_in import StaffLogInForm
from donations.views import finance, gifts, give, imports, offline, posting, staff, webhooks

urlpatterns = [
    path("give/", give.give, name="give"),
    path("give/match/", give.match_line, name="give-match"),
    path("gifts/<str:token>/", gifts.gift, name="gift"),
    path("gifts/<str:token>/pay/", gifts.pay, name="gift-pay"),
    path("gifts/<str:token>/go-on/", gifts.go_on, name="gift-go-on"),
    path("gifts/<str:token>/change/", gifts.change, name="gift-change"),
    path("gifts/<str:token>/intent/", gifts.intent, name="gift-intent"),
    path("gifts/<str:token>/status/", gifts.status, name="gift-status"),
    path("gifts/<str:token>/receipt.pdf", gifts.receipt_pdf, name="gift-receipt"),
    path("webhooks/stripe/", webhooks.stripe_webhook, name="stripe-webhook"),
    path("staff/", staff.today, name="staff-today"),
    path("staff/figures/", staff.figures, name="staff-figures"),
    path("staff/gifts/", staff.gifts, name="staff-gifts"),
    path("staff/gifts/new/", offline.new_gift, name="staff-gift-new"),
    path("staff/gifts/imports/", imports.uploads, name="staff-imports"),
    path("staff/gifts/imports/template.<str:kind>", imports.template, name="staff-import-template"),
    path("staff/gifts/imports/<int:pk>/", imports.show, name="staff-import"),
    path("staff/gifts/imports/<int:pk>/progress/", imports.progress, name="staff-import-progress"),
    path("staff/gifts/imports/<int:pk>/confirm/", imports.confirm, name="staff-import-confirm"),
    path("staff/gifts/imports/<int:pk>/discard/", imports.discard, name="staff-import-discard"),
    path("staff/gifts/imports/<int:pk>/again/", imports.again, name="staff-import-again"),
    path("staff/gifts/imports/<int:pk>/rows-to-correct.csv", imports.bad_rows, name="staff-import-bad-rows"),
    path("staff/gifts/<int:pk>/", staff.gift, name="staff-gift"),
    path("staff/gifts/<int:pk>/correct/", offline.correct, name="staff-gift-correct"),
    path("staff/gifts/<int:pk>/cancel/", offline.cancel, name="staff-gift-cancel"),
    path(
        "staff/gifts/<int:pk>/follow-ups/<int:follow_up_pk>/again/",
        staff.try_follow_up_again,
        name="staff-follow-up-again",
    ),
    path("staff/gifts/<int:pk>/events/<int:event_pk>/again/", staff.try_event_again, name="staff-event-again"),
    path("staff/pools/", staff.pools, name="staff-pools"),
    path("staff/pools/<int:pk>/pause/", staff.pause_pool, name="staff-pool-pause"),
    path("staff/receipts/", finance.receipts, name="staff-receipts"),
    path("staff/receipts/to-post/", posting.to_post, name="staff-to-post"),
    path("staff/receipts/to-post.zip", posting.pdfs, name="staff-to-post-pdfs"),
    path("staff/exports/", finance.exports, name="staff-exports"),
    path("staff/exports/gifts.<str:kind>", finance.export_gifts, name="staff-export-gifts"),
    path("staff/exports/gift-parts.<str:kind>", finance.export_parts, name="staff-export-parts"),
    path("staff/exports/receipts.<str:kind>", finance.export_receipts, name="staff-export-receipts"),
    path(
        "staff/login/",
        auth_views.LoginView.as_view(
            template_name="donations/staff_login.html",
            redirect_authenticated_user=True,
            authentication_form=StaffLogInForm,
        ),
        name="staff-login",
    ),
    path("staff/logout/", auth_views.LogoutView.as_view(), name="staff-logout"),
]

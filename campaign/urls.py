from django.urls import path

from campaign import screens, sharing, views

urlpatterns = [
    path("", views.home, name="home"),
    path("funds/", views.funds, name="funds"),
    path("funds/<slug:slug>/", views.fund, name="fund"),
    path("funds/<slug:slug>/wall/", views.gift_wall, name="fund-wall"),
    path("wall/", views.gift_wall, name="wall"),
    path("stories/", views.stories, name="stories"),
    path("stories/<slug:slug>/", views.story, name="story"),
    path("match/", views.match, name="match"),
    path("progress/", views.progress, name="progress"),
    path("remind-me.ics", views.remind_me, name="remind-me"),
    path("share/campaign.png", sharing.campaign_picture, name="share-picture"),
    path("share/funds/<slug:slug>.png", sharing.fund_picture, name="share-fund-picture"),
    path("sitemap.xml", sharing.sitemap, name="sitemap"),
    path("robots.txt", sharing.robots, name="robots"),
    path("feed.xml", sharing.feed, name="feed"),
    path("look-<str:name>.css", views.look_stylesheet, name="look"),
    path("live/", screens.live, name="live"),
    path("embed/<str:kind>/", screens.embed, name="embed"),
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
]

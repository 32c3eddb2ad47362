"""What is raised, for whom, until when, and the pages that say so.

Organization  the charity, with its logo and colors; one row per installation.
Campaign      the effort: goal, window `[opens_at, closes_at)`, time zone, currency, the words on its banner.
Fund          what the money is for; carries a general-ledger code; lives longer than one campaign.
Story, Section, SectionItem   what their pages hold (models/pages.py).
FundPreset    a suggested gift to a fund, and what it does there.
CardPicture   a picture for e-cards about gifts in honor or in memory.
Team          a department or team that a gift may name; one list for each campaign.
Milestone     a sum that the campaign's donors reach together, and what it brings.

The database enforces: one organization, one current campaign, a window that ends after it opens, alternative text
for every picture, a logo for light pages where there is one for dark ones.
"""

from campaign.models.campaigns import Campaign, CardPicture, Fund, FundPreset, Milestone, Organization, Team
from campaign.models.pages import Section, SectionItem, Story

__all__ = [
    "Campaign",
    "CardPicture",
    "Fund",
    "FundPreset",
    "Milestone",
    "Organization",
    "Section",
    "SectionItem",
    "Story",
    "Team",
]

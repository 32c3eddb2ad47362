"""What holds on every page for those who zoom, press with a thumb, see with colors of their own, or want no motion."""

from playwright.sync_api import Page

# 1280 by 1024 pixels at 400 %, as WCAG 1.4.10 reckons it.
ZOOMED = {"width": 320, "height": 256}
_TOO_WIDE = """() => [...document.querySelectorAll("body *")].filter((part) => {
  const box = part.getBoundingClientRect();
  if (!box.width || box.right <= document.documentElement.clientWidth + 1) return false;
  for (let around = part; around; around = around.parentElement) {
    const { overflowX, clipPath } = getComputedStyle(around);
    if (overflowX !== "visible" || clipPath !== "none") return false;
  }
  return true;
}).map((part) => part.outerHTML.slice(0, 120))"""
# Links in a sentence may be as low as its line (WCAG 2.5.8, inline); a box with a label is as large as both.
_TOO_SMALL = """() => [...document.querySelectorAll("a, button, input, select, textarea, summary")].filter((part) => {
  const box = (part.closest("label") || part).getBoundingClientRect();
  const style = getComputedStyle(part);
  const isSeen = box.width && style.visibility === "visible" && style.clipPath === "none";
  const isInline = part.matches("a") && style.display === "inline";
  return isSeen && part.type !== "hidden" && part.tabIndex >= 0 && !isInline && (box.width < 24 || box.height < 24);
}).map((part) => part.outerHTML.slice(0, 120))"""
_MOVING = """() => document.getAnimations().filter((motion) => motion.effect.getComputedTiming().duration > 0)
  .map((motion) => `${motion.effect.target.outerHTML.slice(0, 120)}`)"""


def unfit_for_zoom_and_thumbs(page: Page) -> list[str]:
    """What has to be scrolled sideways at 400 %, and what is pressed and has less than 24 by 24 pixels, as 0..n tags.

    The width is put back.
    """
    usual = page.viewport_size
    small = page.evaluate(_TOO_SMALL)
    page.set_viewport_size(ZOOMED)
    found = [*small, *page.evaluate(_TOO_SMALL), *page.evaluate(_TOO_WIDE)]
    page.set_viewport_size(usual)
    return found


def moving(page: Page) -> list[str]:
    """What moves by itself, or on the way to another state, for somebody who wants no motion."""
    slow = "[...document.all].filter((part) => getComputedStyle(part).transitionDuration !== '0s')"
    smooth = "getComputedStyle(document.documentElement).scrollBehavior"
    found: list[str] = page.evaluate(_MOVING) + page.evaluate(f"{slow}.map((part) => part.outerHTML.slice(0, 120))")
    return found if page.evaluate(smooth) == "auto" else [*found, "the page's own scrolling"]

"""Opens pages in a headless browser and tells, as JSON, what came of it; a program, for it wants no other loops.

Its input is a JSON list of what to look at: path, `light` or `dark`, width. Arguments: the browser, and a folder if
pictures are wanted.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

LOOK = """() => {
  const wide = document.documentElement.clientWidth;
  const box = (each) => { const b = each.getBoundingClientRect(); return [b.left, b.top, b.width, b.height]; };
  const outside = [];
  for (const each of document.querySelectorAll("body *")) {
    const b = each.getBoundingClientRect();
    if (b.width && b.right > wide + 0.5 && !each.closest(".scroll, svg")) outside.push(each.outerHTML.slice(0, 80));
  }
  const texts = [...document.querySelectorAll("figure svg text")];
  const overlaps = [];
  for (const svg of document.querySelectorAll("figure svg")) {
    const some = [...svg.querySelectorAll("text")].map((each) => [each.textContent, each.getBoundingClientRect()]);
    some.forEach(([name, a], i) => some.slice(i + 1).forEach(([other, b]) => {
      const x = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const y = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (x > 1 && y > 4) overlaps.push([name, other]);
    }));
  }
  return {
    wide, scroll: document.documentElement.scrollWidth, outside, overlaps,
    background: getComputedStyle(document.body).backgroundColor,
    charts: [...document.querySelectorAll("figure svg")].map(box),
    texts: texts.map((each) => [each.textContent, ...box(each)]),
    sizes: texts.map((each) => parseFloat(getComputedStyle(each).fontSize) * each.getScreenCTM().a),
    unnamed: [...document.querySelectorAll("figure")].filter((each) => each.getAttribute("role") !== "img"
      || !["aria-labelledby", "aria-describedby"].every(
        (name) => document.getElementById(each.getAttribute(name))?.textContent)).length,
    levels: [...document.querySelectorAll("h1, h2, h3, h4")].map((each) => +each.tagName[1]),
    ids: [...document.querySelectorAll("[id]")].map((each) => each.id),
    active: document.querySelectorAll("script, iframe, object, embed, form, a, img, [onload], [onerror]").length,
  };
}"""  # fmt: skip


def looked_at(browser: Browser, path: Path, scheme: str, width: int, pictures: str) -> dict[str, object]:
    """What a page is like for one who sees it so."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    found = page.evaluate(LOOK)
    if pictures:
        page.screenshot(path=Path(pictures) / f"{path.stem}-{scheme}-{width}.png", full_page=True)
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    found["scroll_open"] = page.evaluate("document.documentElement.scrollWidth")
    page.close()
    return found | {"page": path.name, "scheme": scheme, "width": width, "said": said, "asked": asked}


def main(program: str, pictures: str = "") -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        found = [
            looked_at(browser, Path(path), scheme, width, pictures) for path, scheme, width in json.load(sys.stdin)
        ]
        browser.close()
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Opens pages in a headless browser and tells, as JSON, what came of it; a program, for it wants no other loops.

Arguments: the browser, a folder for pictures or "", and the pages.
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
    if (b.width && b.right > wide + 0.5 && !each.closest(".scroll") && !each.closest("svg")) outside.push(each.outerHTML.slice(0, 80));
  }
  const texts = [...document.querySelectorAll("figure svg text")];
  const overlaps = [];
  for (const svg of document.querySelectorAll("figure svg")) {
    const some = [...svg.querySelectorAll("text")].map((each) => [each.textContent, each.getBoundingClientRect()]);
    some.forEach(([name, a], i) => some.slice(i + 1).forEach(([other, b]) => {
      const x = Math.min(a.right, b.right) - Math.max(a.left, b.left), y = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (x > 1 && y > 4) overlaps.push([svg.closest("article").querySelector("h3").textContent, name, other]);
    }));
  }
  return {
    wide, scroll: document.documentElement.scrollWidth, outside, overlaps,
    background: getComputedStyle(document.body).backgroundColor,
    charts: [...document.querySelectorAll("figure svg")].map(box),
    texts: texts.map((each) => [each.textContent, ...box(each)]),
    sizes: texts.map((each) => parseFloat(getComputedStyle(each).fontSize) * each.getScreenCTM().a),
    unnamed: [...document.querySelectorAll("figure")].filter((each) =>
      each.getAttribute("role") !== "img" || !document.getElementById(each.getAttribute("aria-labelledby"))?.textContent
      || !document.getElementById(each.getAttribute("aria-describedby"))?.textContent).length,
    levels: [...document.querySelectorAll("h1, h2, h3, h4")].map((each) => +each.tagName[1]),
    ids: [...document.querySelectorAll("[id]")].map((each) => each.id),
    scripts: document.querySelectorAll("script, iframe, object, embed, link[rel=stylesheet], a, [onload], [onerror]").length,
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
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    found["scroll_open"] = page.evaluate("document.documentElement.scrollWidth")
    if pictures:
        page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = false; })")
        page.screenshot(path=Path(pictures) / f"{path.stem}-{scheme}-{width}.png", full_page=True)
    page.close()
    return found | {"page": path.name, "scheme": scheme, "width": width, "said": said, "asked": asked}


def main(program: str, pictures: str, *paths: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        found = [
            looked_at(browser, Path(path), scheme, width, pictures)
            for path in paths
            for scheme in ("light", "dark")
            for width in (1280, 390)
        ]
        browser.close()
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])

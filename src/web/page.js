// Times in the reader's own zone, and the page refreshed in place. Everything is there without this script too.
"use strict";

function localizeTimes(root) {
  const format = new Intl.DateTimeFormat(undefined, {
    year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit",
  });
  for (const time of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    if (!Number.isNaN(moment.getTime())) time.textContent = format.format(moment);
  }
}

// A reader who is typing, selecting or has something open is not disturbed.
function isBusy(main) {
  const focused = document.activeElement;
  const selection = document.getSelection();
  return document.hidden || (focused && focused !== main && main.contains(focused))
    || (selection && !selection.isCollapsed) || main.querySelector("details[open]:not(.further)") !== null;
}

async function refresh() {
  const main = document.getElementById("main");
  if (isBusy(main)) return;
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!(answer.headers.get("content-type") || "").startsWith("text/html")) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const freshMain = fresh.getElementById("main");
  if (!freshMain || isBusy(main)) return;
  localizeTimes(freshMain);
  main.replaceChildren(...freshMain.childNodes);
  document.title = fresh.title;
  document.body.classList.remove("stale");
}

localizeTimes(document);
const seconds = Number(document.body.dataset.refresh);
if (seconds > 0) {
  // Where the service does not answer, the page says that it shows what was.
  setInterval(() => refresh().catch(() => document.body.classList.add("stale")), seconds * 1000);
}

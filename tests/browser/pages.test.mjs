// What a person does with the pages, in a headless Chromium. The service and its alerts are set up by `main.rs`.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";

const url = process.env.PAGES_URL;
const hostile = process.env.PAGES_HOSTILE;
const task = process.env.PAGES_TASK;
const pictures = process.env.PAGES_PICTURES;
const profile = mkdtempSync(join(tmpdir(), "pages-"));
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const requests = [];
let browser;

before(async () => {
  browser = await chromium.launchPersistentContext(profile, options({}));
  watch(browser);
});

after(async () => {
  await browser.close();
  rmSync(profile, { recursive: true, force: true });
});

function options(more) {
  return {
    executablePath: process.env.PAGES_BROWSER,
    headless: true,
    timezoneId: "Asia/Kolkata",
    locale: "en-GB",
    viewport: { width: 1000, height: 740 },
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync"],
    ...more,
  };
}

function watch(context) {
  context.on("request", (request) => requests.push(request.url()));
}

// A context of its own: other colours, another width, no scripts.
async function other(more, use) {
  const folder = mkdtempSync(join(tmpdir(), "pages-"));
  const context = await chromium.launchPersistentContext(folder, options(more));
  watch(context);
  try {
    await use(context.pages()[0] ?? (await context.newPage()));
  } finally {
    await context.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function open(path) {
  const page = await browser.newPage();
  const problems = [];
  page.on("console", (message) => { if (message.type() === "error") problems.push(message.text()); });
  page.on("pageerror", (error) => problems.push(String(error)));
  await page.goto(url + path);
  return { page, problems };
}

async function picture(page, name) {
  if (!pictures) return;
  mkdirSync(pictures, { recursive: true });
  await page.screenshot({ path: join(pictures, `${name}.png`) });
}

async function hostileAlert() {
  const { page } = await open(`/alerts?task=${encodeURIComponent(hostile)}`);
  const href = await page.locator("tbody a").first().getAttribute("href");
  await page.close();
  return href;
}

async function everyPath() {
  const { page } = await open(`/alerts?task=${task}`);
  const alert = await page.locator("tbody a").first().getAttribute("href");
  await page.close();
  return ["/", "/alerts", alert, await hostileAlert(), `/tasks/${task}`, "/alerts?group-by=project&not=user%3Dbob",
    "/alerts?state=nonsense", "/nowhere"];
}

test("the status page tells at a glance, without errors in the console", async () => {
  const { page, problems } = await open("/");
  assert.equal(await page.locator("h1").textContent(), "Healthy");
  assert.ok(await page.locator("svg rect").count() > 0);
  await picture(page, "status-light");
  assert.deepEqual(problems, []);
  await page.close();
});

test("filters narrow the list, are in the address, and come back in the form", async () => {
  const { page } = await open("/alerts");
  await page.getByLabel("Task").fill("sweep");
  await page.getByLabel("Outcome").selectOption("failed");
  await page.getByRole("button", { name: "Filter" }).press("Enter");
  await page.waitForURL(/task=sweep/);
  assert.equal(await page.locator("tbody tr").count(), 8);
  assert.match(page.url(), /status=failed/);
  assert.equal(await page.getByLabel("Task").inputValue(), "sweep");
  assert.equal(await page.getByLabel("Outcome").inputValue(), "failed");
  await page.getByRole("link", { name: "Clear", exact: true }).click();
  await page.waitForURL(/alerts$/);
  await picture(page, "alerts-light");
  await page.close();
});

test("what is asked for less often is there, and counts lead to their alerts", async () => {
  const { page, problems } = await open("/alerts");
  await page.getByText("More filters, and counts").click();
  await page.getByLabel("Leave out").fill("status=completed");
  await page.getByLabel("Count by").selectOption("project");
  await picture(page, "filters-light");
  await page.getByRole("button", { name: "Filter" }).click();
  await page.waitForURL(/group-by=project/);
  const row = page.locator(".counts tbody tr").first();
  const count = Number((await row.locator("td").first().textContent()).replace(",", ""));
  await picture(page, "counts-light");
  await row.locator("a").click();
  await page.waitForURL(/project=/);
  await page.goto(`${page.url()}&limit=500`);
  assert.equal(await page.locator("tbody tr").count(), Math.min(count, 500));
  assert.equal(await page.locator(".outcome-completed").count(), 0);
  assert.deepEqual(problems, []);
  await page.close();
});

test("pages lead to the end and back", async () => {
  const { page } = await open("/alerts?task=sweep&limit=3");
  const names = () => page.locator("tbody th a").allTextContents();
  const first = await names();
  const seen = [...first];
  for (const more of [3, 2]) {
    await page.getByRole("link", { name: "Older" }).click();
    assert.equal((await names()).length, more);
    seen.push(...(await names()));
  }
  assert.equal(new Set(seen).size, 8);
  assert.equal(await page.getByRole("link", { name: "Older" }).count(), 0);
  await page.getByRole("link", { name: "Newest" }).click();
  assert.deepEqual(await names(), first);
  await page.close();
});

test("a hostile task name is text", async () => {
  for (const path of ["/", "/alerts", await hostileAlert()]) {
    const { page, problems } = await open(path);
    assert.doesNotMatch(await page.title(), /^stolen/);
    assert.ok((await page.locator("main").textContent()).includes(hostile), path);
    assert.equal(await page.locator("main script, main img").count(), 0);
    assert.deepEqual(problems, []);
    await page.close();
  }
});

test("an alert is drawn as in Slack, with its attempts", async () => {
  const { page } = await open(`/alerts?task=${task}`);
  await page.locator("tbody a").first().click();
  await page.waitForURL(/alerts\/\d+$/);
  const slack = page.locator(".slack");
  assert.match(await slack.locator(".header").textContent(), /Task failed: bert-large/);
  assert.match(await slack.locator("pre").textContent(), /epoch 29/);
  assert.equal(await page.locator(".attempts li").count(), 1);
  await picture(page, "alert-light");
  await page.getByRole("link", { name: task }).click();
  assert.match(await page.locator(".changes").textContent(), /in_progress/);
  await page.close();
});

test("times are in the reader's zone, with UTC on hover", async () => {
  const { page } = await open("/alerts");
  const time = page.locator("tbody time").first();
  const utc = await time.getAttribute("title");
  const moment = new Date(await time.getAttribute("datetime"));
  assert.match(utc, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/);
  const there = new Intl.DateTimeFormat("en-GB", { timeZone: "Asia/Kolkata", hour: "2-digit", minute: "2-digit" }).format(moment);
  assert.ok((await time.textContent()).includes(there), `${await time.textContent()} has ${there}`);
  await page.close();
});

test("the keyboard goes in reading order, and the way past the header is the first stop", async () => {
  const { page } = await open("/");
  const stops = [];
  for (let stop = 0; stop < 5; stop += 1) {
    await page.keyboard.press("Tab");
    stops.push(await page.evaluate(() => document.activeElement.textContent.trim()));
  }
  assert.deepEqual(stops.slice(0, 4), ["Skip to the content", "clearml-alerts", "Status", "Alerts"]);
  assert.match(stops[4], /Pending$/);
  await page.close();
});

test("the page refreshes in place", async () => {
  const page = await browser.newPage();
  await page.clock.install();
  await page.goto(`${url}/`);
  await page.evaluate(() => { document.querySelector("h1").textContent = "old"; });
  await page.clock.runFor(11_000);
  await page.waitForFunction(() => document.querySelector("h1").textContent === "Healthy");
  await page.close();
});

test("dark mode is dark, and light is light", async () => {
  const brightness = (page) => page.evaluate(() => {
    const [red, green, blue] = getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number);
    return red + green + blue;
  });
  for (const [colorScheme, isRight] of [["dark", (sum) => sum < 150], ["light", (sum) => sum > 650]]) {
    await other({ colorScheme }, async (page) => {
      await page.goto(`${url}/`);
      assert.ok(isRight(await brightness(page)), colorScheme);
      if (colorScheme === "dark") await picture(page, "status-dark");
    });
  }
});

test("at 400 pixels nothing is cut off", async () => {
  const paths = await everyPath();
  await other({ viewport: { width: 400, height: 800 } }, async (page) => {
    for (const path of paths) {
      await page.goto(url + path);
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(width <= 400, `${path} is ${width} wide`);
    }
    await page.goto(`${url}/`);
    await picture(page, "status-narrow");
    await page.goto(`${url}/alerts?task=sweep`);
    await picture(page, "alerts-narrow");
  });
});

test("everything can be read without scripts", async () => {
  await other({ javaScriptEnabled: false }, async (page) => {
    await page.goto(`${url}/alerts?task=sweep`);
    assert.equal(await page.locator("tbody tr").count(), 8);
    assert.match(await page.locator("tbody time").first().textContent(), / UTC$/);
    await page.locator("tbody a").first().click();
    assert.match(await page.locator(".slack .header").textContent(), /Task failed: resnet50 sweep/);
    await page.goto(`${url}/`);
    assert.equal(await page.locator("h1").textContent(), "Healthy");
  });
});

test("axe finds nothing serious, in either colours and widths", async () => {
  const paths = await everyPath();
  for (const more of [{ colorScheme: "light" }, { colorScheme: "dark" }, { viewport: { width: 400, height: 800 } }]) {
    await other(more, async (page) => {
      for (const path of paths) {
        await page.goto(url + path);
        await page.evaluate(axe);
        const { violations } = await page.evaluate(() => globalThis.axe.run());
        const serious = violations.filter((each) => ["serious", "critical", "moderate"].includes(each.impact));
        const told = serious.map((each) => `${each.id}: ${each.nodes.map((node) => node.html).join(" | ")}`);
        assert.deepEqual(told, [], `${path} ${JSON.stringify(more)}`);
      }
    });
  }
});

test("no request left the machine", () => {
  const origin = new URL(url).origin;
  const strangers = requests.filter((each) => new URL(each).origin !== origin && !each.startsWith("about:"));
  assert.deepEqual(strangers, []);
  assert.ok(requests.length > 20);
});

// What a person does in a browser with the sandbox of CDS Hooks and the SMART launcher; called by scripts/browsers.
import { chromium } from "playwright-core";
const [what, told] = process.argv.slice(2);
const asked = JSON.parse(told);
const browser = await chromium.launch({ executablePath: asked.chromium, args: ["--no-sandbox"] });
const page = await browser.newPage({ viewport: { width: 1500, height: 1200 } });
const ours = [], others = {};
const note = (text, url) => {
  if (`${text} ${url}`.includes(asked.base)) ours.push(`${text} ${url}`.slice(0, 300));
  else others[`${text} ${url}`.slice(0, 160)] = (others[`${text} ${url}`.slice(0, 160)] || 0) + 1;
};
await page.route(/^https:/, (route) => route.abort());  // the sandbox's own demonstration service, far away
await page.addInitScript(() => { try { localStorage.clear(); } catch { /* a page that may not, such as our report */ } });
page.on("console", (one) => one.type() === "error" && note(one.text(), one.location().url));
page.on("pageerror", (one) => note(String(one), ""));
page.on("requestfailed", (one) => note(`${one.method()} ${one.failure()?.errorText}`, one.url()));
page.on("response", (one) => one.url().startsWith(asked.base) && one.status() >= 400 && ours.push(`${one.status()} ${one.url()}`));
const shoot = async (name) => asked.shots && (await page.screenshot({ path: `${asked.shots}/${name}.png`, fullPage: true }));
const answer = (path) => page.waitForResponse((one) => one.url() === `${asked.base}/cds-services/carnallite-${path}` && one.request().method() === "POST", { timeout: 60000 });
const cards = page.locator("[class*=decision-card]");

const settled = async (response) => {  // the answer, and what of it the page shows
  if (response.status() !== 200) throw new Error(`answered ${response.status()}`);
  const body = await response.json(), count = (body.cards || []).length;
  if (count) await cards.first().waitFor({ timeout: 10000 });
  else await page.getByText("No recommendations to display").waitFor({ timeout: 10000 });
  const text = (await cards.allInnerTexts()).join(" ").replace(/\s+/g, " ");
  const shown = (body.cards || []).filter((one) => text.includes(one.summary.replace(/\s+/g, " "))).length;
  return { body, count, shown, states: body.extension["org.carnallite.evaluated"].states };
};
const open = async (patient) => {
  const query = new URLSearchParams({ fhirServiceUrl: asked.fhir, patientId: patient, serviceDiscoveryURL: `${asked.base}/cds-services` });
  const waiting = answer("patient-view");
  await page.goto(`${asked.page}?${query}`);
  return settled(await waiting);
};
const told_back = async (path, act) => {  // what feedback was answered
  const waiting = answer(`${path}/feedback`);
  await act();
  return (await waiting).status();
};

const views = async () => {
  const found = [];
  for (const patient of asked.patients) {
    const { body, count, shown, states } = await open(patient), one = { patient, states, cards: count, shown };
    if (count) {
      const first = body.cards[0];
      await shoot(`${patient}-view`);
      one.indicator = first.indicator;
      if (first.suggestions) {
        one.accepted = await told_back("patient-view", () => page.getByRole("button", { name: first.suggestions[0].label }).click());
      } else {
        await page.getByLabel("select dismiss reason").click();
        one.overridden = await told_back("patient-view", () => page.getByText("Override:").first().click());
        await cards.first().waitFor({ state: "detached", timeout: 5000 });
      }
    }
    found.push(one);
  }
  return found;
};
const orders = async () => {
  const found = [];
  for (const [patient, drug] of asked.orders) {
    await open(patient);
    let waiting = answer("order-select");
    await page.getByRole("button", { name: "Rx View" }).click();
    await waiting;  // of a draft that names no drug yet
    await page.fill("input[name=medication-input]", drug);
    waiting = answer("order-select");
    await page.locator(".MuiListItemButton-root", { hasText: drug }).first().click();
    const chosen = await settled(await waiting);
    await shoot(`${patient}-select`);
    waiting = answer("order-select");
    await page.fill("#dosage-amount", "3");
    const changed = await settled(await waiting);
    await page.getByRole("button", { name: "Rx Sign" }).click();
    waiting = answer("order-sign");
    await page.getByRole("button", { name: "Sign Order" }).click();
    const signed = await settled(await waiting);
    await shoot(`${patient}-sign`);
    const steps = Object.fromEntries(Object.entries({ chosen, changed, signed }).map(([name, { count, shown, body }]) =>
      [name, { cards: count, shown, summary: body.cards[0]?.summary, indicator: body.cards[0]?.indicator }]));
    if (signed.count) {
      await page.getByLabel("select dismiss reason").click();
      steps.overridden = await told_back("order-sign", () => page.getByText("Override:").first().click());
    }
    found.push({ patient, drug, ...steps });
  }
  return found;
};
const launch = async () => {  // where it ended, and what stands there
  await page.goto(asked.url);
  for (const name of asked.clicks || []) await page.getByRole("button", { name }).first().click({ timeout: 15000 });
  let at = page;
  if (asked.framed) {
    await page.waitForSelector("iframe");
    at = page.frames().find((one) => one !== page.mainFrame());
  }
  await at.waitForURL((url) => url.href.startsWith(`${asked.base}/smart/callback`), { timeout: 60000 });
  await at.waitForLoadState();
  const text = (await at.locator("body").innerText()).replace(/\s+/g, " ");
  await shoot(asked.name);
  return { title: await at.title(), text: text.slice(0, 4000), length: text.length };
};

const result = await { views, orders, launch }[what]();
console.log(JSON.stringify({ result, ours, others }));
await browser.close();

// Renders page after page with puppeteer-cluster. It prints a line when it is warm, waits for one, works for a
// while, prints the milliseconds of each page as JSON, and ends when its input does.
const { Cluster } = require("puppeteer-cluster");
const puppeteer = require("puppeteer-core");
const readline = require("readline");

const orders = JSON.parse(process.argv[2]);
const modes = { page: Cluster.CONCURRENCY_PAGE, context: Cluster.CONCURRENCY_CONTEXT };
let pages = 0;

async function render({ page }) {
  const n = ++pages;
  await page.goto(orders.address + n, { waitUntil: "load" });
  const title = await page.evaluate("complete");
  if (title !== "app " + n) throw new Error(`the page has the title ${title}, want app ${n}`);
}

async function main() {
  const input = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const cluster = await Cluster.launch({
    puppeteer, concurrency: modes[orders.mode], maxConcurrency: orders.concurrency, timeout: orders.timeout,
    puppeteerOptions: {
      executablePath: orders.browser, args: orders.args, ignoreDefaultArgs: true, pipe: true,
      waitForInitialPage: false, defaultViewport: null, // the others have neither
    },
  });
  const each = (work) => Promise.all(Array.from({ length: orders.concurrency }, work));
  const warm = performance.now() + orders.warm_milliseconds;
  await each(async () => {
    for (let n = 0; n < orders.warm_pages || performance.now() < warm; n++) await cluster.execute(null, render);
  });
  console.log("ready");
  await input.next();
  const latencies = [], end = performance.now() + orders.milliseconds;
  await each(async () => {
    while (performance.now() < end) {
      const at = performance.now();
      await cluster.execute(null, render);
      latencies.push(performance.now() - at);
    }
  });
  console.log(JSON.stringify(latencies));
  await input.next();
  await cluster.close();
}

main().catch((error) => { console.error(error); process.exit(1); });

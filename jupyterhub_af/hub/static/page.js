// What our pages do by themselves: follow a start, stop a server, name a new one.
// Words from the hub are shown as text, never as HTML.
"use strict";

function followStart(page) {
  const bar = document.getElementById("af-progress");
  const message = document.getElementById("af-progress-message");
  const log = document.getElementById("af-progress-log");
  const events = new EventSource(page.dataset.progressUrl);
  events.onmessage = (event) => {
    const news = JSON.parse(event.data);
    if (news.progress !== undefined) bar.value = news.progress;
    if (news.message) {
      // the hub's own steps are for whoever looks at the list; why it failed is for all
      if (news.failed) message.textContent = news.message;
      const line = document.createElement("li");
      line.textContent = news.message;
      log.append(line);
    }
    if (news.ready || news.failed) events.close();
    if (news.ready) window.location.reload();
    if (news.failed) document.getElementById("af-failed").hidden = false;
  };
}

async function stopServer(page, button) {
  const problem = document.getElementById("af-problem");
  const name = button.dataset.server;
  const path = name ? `/servers/${encodeURIComponent(name)}` : "/server";
  button.disabled = true;
  problem.hidden = true;
  const answer = await fetch(page.dataset.apiUrl + path, {
    method: "DELETE",
    headers: { "X-XSRFToken": page.dataset.xsrf, "Content-Type": "application/json" },
    body: "remove" in button.dataset ? JSON.stringify({ remove: true }) : undefined,
  }).catch(() => null);
  if (answer && answer.ok) {
    window.setTimeout(() => window.location.reload(), answer.status === 202 ? 1500 : 0);
    return;
  }
  const said = answer ? await answer.json().catch(() => ({})) : {};
  problem.textContent = said.message || page.dataset.away;
  problem.hidden = false;
  button.disabled = false;
}

function main() {
  const starting = document.getElementById("af-starting");
  if (starting) followStart(starting);
  const servers = document.getElementById("af-servers");
  for (const button of document.querySelectorAll(".af-stop")) {
    button.addEventListener("click", () => stopServer(servers, button));
  }
  const form = document.getElementById("af-new-server");
  form?.addEventListener("submit", (event) => {
    event.preventDefault();
    const name = document.getElementById("af-new-name").value;
    window.location.assign(form.dataset.spawnUrl + encodeURIComponent(name));
  });
  document.getElementById("spawn_form")?.addEventListener("submit", (event) => {
    const button = event.target.querySelector("button[type=submit]");
    // later, so that the button's form is sent first
    window.setTimeout(() => { button.disabled = true; }, 0);
  });
  // coming back to the form by the browser's own button finds it usable
  window.addEventListener("pageshow", () => {
    const button = document.querySelector("#spawn_form button[type=submit]");
    if (button) button.disabled = false;
  });
}

main();

// The owner's pages: copying what is shown once, dropping a file, one submit at a time. The rest is forms and htmx.

function offerCopying(root) {
  if (!navigator.clipboard) return;
  for (const button of root.querySelectorAll("[data-copy]")) button.hidden = false;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.querySelector(button.dataset.copy);
  await navigator.clipboard.writeText(source.value ?? source.textContent);
  button.textContent = button.dataset.copied ?? "✓";
});

function settle(root) {
  offerCopying(root);
  root.querySelector("[aria-invalid=true]")?.focus();
}

document.addEventListener("htmx:afterSettle", (event) => settle(event.target));
settle(document);

// A second click while a form is on its way would send it twice; downloads stay on the page and may be repeated.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || form.hasAttribute("hx-post") || event.defaultPrevented) return;
  if (form.dataset.sent && Date.now() - Number(form.dataset.sent) < 2000) event.preventDefault();
  form.dataset.sent = String(Date.now());
  form.querySelector("[data-uploading]")?.removeAttribute("hidden");
});

const drop = document.querySelector(".drop");
for (const name of ["dragover", "dragleave", "drop"]) {
  drop?.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", name === "dragover");
    if (name === "drop" && event.dataTransfer.files.length) drop.querySelector("input").files = event.dataTransfer.files;
  });
}

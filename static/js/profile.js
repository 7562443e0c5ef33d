// The rings of the profile: say in words where one stands, and how many have been moved.

function inWords(ring) {
  const value = Number(ring.value);
  const pole = value < 0 ? ring.dataset.first : ring.dataset.second;
  const size = Math.abs(value);
  return size < 0.1 ? "as everybody" : `${size < 0.5 ? "somewhat" : "clearly"} ${pole}`;
}

const form = document.querySelector("#traits-form");
const changes = form?.querySelector("[data-changes]");

function moved() {
  let count = 0;
  for (const ring of form.querySelectorAll("input[type=range]")) {
    ring.setAttribute("aria-valuetext", inWords(ring));
    if (Number(ring.value) !== Number(form.elements[`was:${ring.name.slice(3)}`].value)) count += 1;
  }
  changes.hidden = count === 0;
  changes.textContent = count === 1 ? "1 change, not kept" : `${count} changes, not kept`;
}

if (changes) {
  form.addEventListener("input", moved);
  moved();
}

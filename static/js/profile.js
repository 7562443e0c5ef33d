// The rings of the profile: say in words where one stands, and how many have been moved. The page has the words.

const form = document.querySelector("#traits-form");
const changes = form?.querySelector("[data-changes]");

function inWords(ring) {
  const value = Number(ring.value);
  const pole = value < 0 ? ring.dataset.first : ring.dataset.second;
  const size = Math.abs(value);
  const { everybody, somewhat, clearly } = form.dataset;
  return size < 0.1 ? everybody : (size < 0.5 ? somewhat : clearly).replace("{pole}", pole);
}

function moved() {
  let count = 0;
  for (const ring of form.querySelectorAll("input[type=range]")) {
    ring.setAttribute("aria-valuetext", inWords(ring));
    if (Number(ring.value) !== Number(form.elements[`was:${ring.name.slice(3)}`].value)) count += 1;
  }
  changes.hidden = count === 0;
  changes.textContent = (count === 1 ? changes.dataset.one : changes.dataset.many).replace("{n}", count);
}

if (changes) {
  form.addEventListener("input", moved);
  moved();
}

// The sliders of the policy playground order the answers at once: r = ⟨v, g⟩ with v on the unit sphere. Without this, and for texts in a direction, the form
// asks the server.

const signed = (value, digits) => (value < 0 ? "" : "+") + value.toFixed(digits);

function steer(form) {
  const sliders = [...form.querySelectorAll('input[type="range"]')];
  const weights = sliders.map((slider) => Number(slider.value));
  const length = Math.hypot(...weights);
  if (length === 0) return;
  const direction = weights.map((weight) => weight / length);
  sliders.forEach((slider, place) => {
    slider.parentElement.querySelector("output").textContent = signed(direction[place], 2);
  });
  const list = document.querySelector("[data-directed]");
  const rows = [...list.children].map((row) => {
    const aspects = row.dataset.aspects.split(" ").map(Number);
    return { row, reward: aspects.reduce((sum, aspect, place) => sum + aspect * direction[place], 0) };
  });
  rows.sort((one, other) => other.reward - one.reward);
  for (const { row, reward } of rows) {
    row.querySelector("b").textContent = signed(reward, 1);
    list.append(row);
  }
}

// The sliders may come later, with answers that are complete.
document.addEventListener("input", (event) => {
  const form = event.target.closest("[data-direction]");
  if (form) steer(form);
});
document.addEventListener("change", (event) => {
  const form = event.target.closest("[data-direction]");
  if (!form) return;
  const sliders = [...form.querySelectorAll('input[type="range"]')].map((slider) => [slider.name, slider.value]);
  history.replaceState(null, "", `?${new URLSearchParams(sliders)}#direction`);
});

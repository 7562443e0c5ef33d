// A field for a key takes the key that is pressed: a letter or digit by its place on the keyboard, a sign as it prints.

document.addEventListener("keydown", (event) => {
  if (!event.target.matches("input.key") || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const place = /^(?:Key([A-Z])|(?:Digit|Numpad)([0-9]))$/.exec(event.code);
  const printed = event.key.length === 1 && /[^\p{L}\p{N}\s]/u.test(event.key) ? event.key : undefined;
  const key = printed ?? place?.[1] ?? place?.[2];
  if (!key) return;
  event.preventDefault();
  event.target.value = key;
});

const search = document.getElementById("search");
const operations = [...document.querySelectorAll("details.op")];
const words = operations.map((one) => one.textContent.toLowerCase());
function show() {
  const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  operations.forEach((one, at) => {
    one.hidden = !wanted.every((word) => words[at].includes(word));
    shown += one.hidden ? 0 : 1;
  });
  document.querySelectorAll("section.tag").forEach((tag) => {
    tag.hidden = !tag.querySelector("details.op:not([hidden])");
  });
  document.getElementById("count").textContent = `${shown} operations`;
}
function open() {
  const target = document.getElementById(location.hash.slice(1));
  if (target) { target.open = true; target.scrollIntoView(); }
}
search.addEventListener("input", show);
addEventListener("hashchange", open);
show();
open();

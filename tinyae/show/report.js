for (const series of document.querySelectorAll(".series")) {
  const images = [...series.querySelectorAll("img")];
  series.querySelector("input").oninput = ({ target }) => {
    images.forEach((image, i) => { image.hidden = i !== Number(target.value); });
    const said = images[target.value].alt;
    series.querySelector("output").textContent = said;
    target.setAttribute("aria-valuetext", said);
  };
}

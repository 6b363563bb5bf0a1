for (const series of document.querySelectorAll(".series")) {
  const images = [...series.querySelectorAll("img")];
  series.querySelector("input").oninput = (e) => {
    images.forEach((image, i) => { image.hidden = i !== Number(e.target.value); });
    series.querySelector("output").textContent = images[e.target.value].alt;
  };
}

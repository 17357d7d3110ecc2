// Rows of pictures that all end at the same edge: a row is as high as makes its pictures fill it.

/** Bounds of what is shown whole; a wider or narrower picture is cut at its ends. */
const NARROWEST = 0.45;
const WIDEST = 3.2;

/** The ratio (width by height) that a picture is shown with. */
export const shown = (ratio) => Math.min(Math.max(ratio, NARROWEST), WIDEST);

/**
 * Places for pictures: `{x, y, width, height, row}` each, and the height of all.
 *
 * ratios: width by height of each. width: of the rows. target: the height of a row, about. gap: between pictures.
 * A last row that is not full keeps the target's height.
 */
export function justify(ratios, width, target, gap) {
  const places = [];
  let [first, sum, y, row] = [0, 0, 0, 0];
  for (let i = 0; i < ratios.length; i += 1) {
    sum += shown(ratios[i]);
    const gaps = gap * (i - first);
    const full = target * sum + gaps >= width;
    if (!full && i < ratios.length - 1) continue;
    const fill = (width - gaps) / sum;
    const height = full ? fill : Math.min(fill, target);
    let x = 0;
    for (let j = first; j <= i; j += 1) {
      const wide = height * shown(ratios[j]);
      places.push({ x, y, width: wide, height, row });
      x += wide + gap;
    }
    [first, sum, y, row] = [i + 1, 0, y + height + gap, row + 1];
  }
  return { places, height: Math.max(0, y - gap) };
}

// @ts-check
/** JSON whose whole numbers beyond 2^53 come as BigInt, to the last digit, in browsers that give the source text. */

const MANY_DIGITS = /\d{16}/;

/** @param {string} text @returns {any} */
export const parsed = (text) => JSON.parse(text, MANY_DIGITS.test(text) ? whole : undefined);

/** @param {string} _ @param {unknown} value @param {{source?: string}} [written] not in the types of the language yet */
function whole(_, value, written) {
  const source = written?.source ?? "";
  return Number.isInteger(value) && !Number.isSafeInteger(value) && /^-?\d+$/.test(source) ? BigInt(source) : value;
}

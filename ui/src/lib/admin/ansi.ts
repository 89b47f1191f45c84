export interface Piece {
	text: string;
	/** Classes of the look. */
	look: string;
}

/** The terminal's eight colours, as the look has them. Backgrounds are left out: text stays readable on any. */
const COLOURS = ['text-faint', 'text-failed', 'text-ok', 'text-blocked', 'text-accent', 'text-stale', 'text-running', 'text-text'];
/** Colours and styles; any other sequence, which would move the cursor or name a window; a lone control character. */
// eslint-disable-next-line no-control-regex
const SEQUENCE = /\x1b\[([\d;:]*)m|\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]?|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f]/g;

/** Text with ANSI sequences, as pieces to be rendered as text: nothing of it is ever markup. */
export function pieces(text: string): Piece[] {
	const found: Piece[] = [];
	let colour = '';
	const styles = new Set<string>();
	let from = 0;
	const take = (upTo: number) => {
		if (upTo > from) found.push({ text: text.slice(from, upTo), look: [colour, ...styles].filter(Boolean).join(' ') });
	};
	for (const match of text.matchAll(SEQUENCE)) {
		take(match.index);
		from = match.index + match[0].length;
		if (match[1] === undefined) continue;
		const codes = match[1] === '' ? [0] : match[1].split(/[;:]/).map(Number);
		for (let i = 0; i < codes.length; i++) {
			const code = codes[i]!;
			if (code === 0) {
				colour = '';
				styles.clear();
			} else if (code === 1) styles.add('font-semibold');
			else if (code === 2) styles.add('opacity-75');
			else if (code === 3) styles.add('italic');
			else if (code === 4) styles.add('underline');
			else if (code === 22) ['font-semibold', 'opacity-75'].forEach((one) => styles.delete(one));
			else if (code === 23) styles.delete('italic');
			else if (code === 24) styles.delete('underline');
			else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) colour = COLOURS[code % 10]!;
			else if (code === 39) colour = '';
			else if (code === 38 || code === 48) {
				// 5 is followed by one number, 2 by three; of the 256 only the first sixteen are the eight.
				const [kind, number] = [codes[i + 1], codes[i + 2]];
				if (code === 38 && kind === 5 && number !== undefined && number < 16) colour = COLOURS[number % 8]!;
				i += kind === 5 ? 2 : kind === 2 ? 4 : 0;
			}
		}
	}
	take(text.length);
	return found;
}

export const plain = (text: string) => text.replaceAll(SEQUENCE, '');

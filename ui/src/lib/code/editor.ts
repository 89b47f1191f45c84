// Loaded when the first editor is shown, not before: see Code.svelte.
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { json, jsonParseLinter } from '@codemirror/lang-json';
import { bracketMatching, foldGutter, HighlightStyle, indentOnInput, StreamLanguage, syntaxHighlighting } from '@codemirror/language';
import { toml } from '@codemirror/legacy-modes/mode/toml';
import { linter, lintGutter } from '@codemirror/lint';
import { Compartment, EditorState } from '@codemirror/state';
import { EditorView, keymap, lineNumbers } from '@codemirror/view';
import { tags } from '@lezer/highlight';

export type Language = 'json' | 'toml';

export interface Shown {
	text: string;
	language: Language;
	label: string;
	readonly: boolean;
	typed: (text: string) => void;
}

const look = EditorView.theme({
	'&': { color: 'var(--text)', backgroundColor: 'var(--bg)', fontSize: '12px', height: '100%' },
	'&.cm-focused': { outline: 'none' },
	'.cm-scroller': { fontFamily: 'var(--font-mono)', lineHeight: '20px', overflow: 'auto' },
	'.cm-content': { caretColor: 'var(--text)' },
	'.cm-gutters': { backgroundColor: 'var(--bg)', color: 'var(--faint)', border: 'none' },
	'&.cm-focused .cm-selectionBackground, .cm-selectionBackground, ::selection': { backgroundColor: 'var(--accent-soft) !important' },
	'.cm-cursor': { borderLeftColor: 'var(--text)' },
	'.cm-matchingBracket': { backgroundColor: 'var(--hover) !important', outline: '1px solid var(--line-strong)' },
	'.cm-tooltip': { backgroundColor: 'var(--raised)', border: '1px solid var(--line-strong)', color: 'var(--text)' },
	'.cm-diagnostic-error': { borderLeftColor: 'var(--failed)' }
});
const colours = HighlightStyle.define([
	{ tag: [tags.propertyName, tags.definition(tags.variableName), tags.heading], color: 'var(--accent-strong)' },
	{ tag: [tags.string, tags.special(tags.string)], color: 'var(--ok)' },
	{ tag: [tags.number, tags.bool, tags.null, tags.atom], color: 'var(--blocked)' },
	{ tag: tags.comment, color: 'var(--faint)' }
]);
const languages = {
	json: () => [json(), linter(jsonParseLinter()), lintGutter()],
	toml: () => [StreamLanguage.define(toml)]
};

/** The server's policy lets pages make no styles but those that know this word. */
const nonce = () => document.querySelector<HTMLMetaElement>('meta[property=csp-nonce]')?.nonce ?? '';

/** An editor in `parent`. The Tab key goes on to the next field, as everywhere. */
export function mount(parent: HTMLElement, shown: Shown) {
	const language = new Compartment();
	const mode = new Compartment();
	/** What the page says is not typed. */
	let told = false;
	const locked = (is: boolean) => [EditorState.readOnly.of(is), EditorView.editable.of(!is)];
	const view = new EditorView({
		parent,
		state: EditorState.create({
			doc: shown.text,
			extensions: [
				EditorView.cspNonce.of(nonce()), lineNumbers(), foldGutter(), history(), indentOnInput(), bracketMatching(), keymap.of([...defaultKeymap, ...historyKeymap]), look,
				syntaxHighlighting(colours), EditorView.lineWrapping, language.of(languages[shown.language]()), mode.of(locked(shown.readonly)),
				EditorView.contentAttributes.of({ 'aria-label': shown.label, role: 'textbox', 'aria-multiline': 'true', tabindex: '0' }),
				EditorView.updateListener.of((update) => update.docChanged && !told && shown.typed(update.state.doc.toString()))
			]
		})
	});
	return {
		/** Say something else, unless it is said already. */
		show(text: string) {
			if (text === view.state.doc.toString()) return;
			told = true;
			view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } });
			told = false;
		},
		speak(next: Language) {
			view.dispatch({ effects: language.reconfigure(languages[next]()) });
		},
		lock(is: boolean) {
			view.dispatch({ effects: mode.reconfigure(locked(is)) });
		},
		destroy: () => view.destroy()
	};
}

/** Dispatched on an element whose callback failed, and on what is around it; its detail is the error. */
export const FAILED = 'qi:failed';

const CALLBACKS = ['connectedCallback', 'disconnectedCallback', 'adoptedCallback', 'attributeChangedCallback'];
type Callback = (this: HTMLElement, ...given: unknown[]) => unknown;

// A browser reports on window what a callback throws or rejects with, and not of which element it was: many on one page
// have one class, and a refused request's stack names no script of theirs. It takes the callbacks when the element is
// defined, so they are watched from there; the class itself is then as its addon wrote it, for whoever extends it.
const define = customElements.define;
customElements.define = function (name, made, options) {
	const prototype = made.prototype as object;
	const own = Object.getOwnPropertyDescriptors(prototype) as Record<string, PropertyDescriptor>;
	const present = CALLBACKS.filter((one) => one in prototype);
	for (const one of present) {
		const value = watched(Reflect.get(prototype, one) as Callback);
		Object.defineProperty(prototype, one, { value, configurable: true });
	}
	try {
		define.call(this, name, made, options);
	} finally {
		for (const one of present) {
			Reflect.deleteProperty(prototype, one);
			if (own[one]) Object.defineProperty(prototype, one, own[one]);
		}
	}
};

function watched(callback: Callback): Callback {
	return function (...given) {
		// Told a moment later, also when it throws at once: it may be called in the midst of a change of the page.
		void (async () => callback.apply(this, given))().catch((error: unknown) => {
			console.error(error);
			this.dispatchEvent(new CustomEvent(FAILED, { detail: error, bubbles: true, composed: true }));
		});
	};
}

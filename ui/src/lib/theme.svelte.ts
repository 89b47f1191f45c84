type Name = 'dark' | 'light';

/** Storage may be missing in an embedded window: the choice then lasts as long as the window. */
export function remembered(key: string): string | null {
	try {
		return localStorage.getItem(key);
	} catch {
		return null;
	}
}

export function remember(key: string, value: string) {
	try {
		localStorage.setItem(key, value);
	} catch {
		// nothing to keep it in
	}
}

class Theme {
	name = $state<Name>(remembered('qi.theme') === 'light' ? 'light' : 'dark');

	apply() {
		document.documentElement.dataset.theme = this.name;
	}

	toggle() {
		this.name = this.name === 'dark' ? 'light' : 'dark';
		remember('qi.theme', this.name);
		this.apply();
		window.dispatchEvent(new CustomEvent('qi:theme', { detail: this.name }));
	}
}

export const theme = new Theme();

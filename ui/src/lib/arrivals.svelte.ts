import { tick } from 'svelte';

/** A slow answer of the studio's own holds nothing else back for longer. */
export const LONGEST_MS = 1_500;
/** One that may come from a tracker elsewhere, once it was asked: nobody waits for that. */
export const TRACKER_MS = 400;

/** What a page asks for first. Until it is there nothing of the page is shown, so that nothing on it moves. */
class Arrivals {
	/** Whether the page is still to come. */
	open = $state(true);
	#waiting = 0;
	#timer: ReturnType<typeof setTimeout> | undefined;

	/** Another page begins; whoever belongs to it says so with `wait` while it is made. */
	begin() {
		this.open = true;
		clearTimeout(this.#timer);
		this.#timer = setTimeout(() => (this.open = false), LONGEST_MS);
	}

	/** The page is made: unless somebody waits it is whole. */
	made() {
		if (this.#waiting === 0) this.open = false;
	}

	/** Call what it answers when the wait is over; once counts, more do no harm. */
	wait(): () => void {
		let over = false;
		this.#waiting += 1;
		return () => {
			if (over) return;
			over = true;
			// What is made of the answer may have something to wait for itself.
			void tick().then(() => {
				this.#waiting -= 1;
				this.made();
			});
		};
	}
}

export const arrivals = new Arrivals();

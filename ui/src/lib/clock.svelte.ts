/** The time, coarse enough that a page of relative times costs nothing. */
class Clock {
	now = $state(Date.now());

	constructor() {
		setInterval(() => (this.now = Date.now()), 5_000);
	}
}

export const clock = new Clock();

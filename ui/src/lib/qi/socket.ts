import type { Event as LogEvent, Json } from '../contracts';
import type { User } from './auth';
import { QiError, offline, type ErrorReply } from './errors';

export interface Welcome {
	session: string;
	user: User;
	bundle: string;
	head: number;
	studio: { name: string; version: string };
}

export type Wire = 'connecting' | 'open' | 'lost' | 'closed';
export type Fact = LogEvent;
export interface Feed {
	subject: string;
	data: { [key: string]: Json };
}

interface Frame {
	op: string;
	id?: number;
	data?: unknown;
	error?: ErrorReply;
	event?: Fact;
	subject?: string;
	head?: number;
	answers?: boolean;
}

interface Waiting {
	resolve(data: unknown): void;
	reject(error: QiError): void;
	timer: ReturnType<typeof setTimeout>;
}

interface Subscription {
	subjects: string[];
	/** Position of the last fact it saw; it goes on behind it after a reconnect. */
	after: number | undefined;
	fact(event: Fact): void;
	feed(feed: Feed): void;
	refused(error: QiError): void;
}

export interface SocketEvents {
	/** An access token, a new one when it is asked `anew`; throws when nobody is logged in any more. */
	access(anew: boolean): Promise<string>;
	state(state: Wire, tries: number): void;
	welcome(told: Welcome): void;
	/** The log-in is over. */
	out(error: QiError): void;
	/** There is no room for one more; it is tried again. */
	crowded(error: QiError | null): void;
}

/** Somebody, or the network, is back: it is not waited any longer. */
const WAKES = ['online', 'focus'];
/** Close code of the server's. */
const CROWDED = 4429;
const PING_MS = 15_000;
const SILENCE_MS = 40_000;
const LONGEST_WAIT_MS = 3_000;

/** One socket to the studio's server that comes back by itself. Subscriptions outlive it; requests do not. */
export class Socket {
	#ws: WebSocket | null = null;
	#open = false;
	#wanted = false;
	#tries = 0;
	#next = 1;
	#heard = 0;
	/** What the server said last when it closed. */
	#bye: QiError | null = null;
	#waiting = new Map<number, Waiting>();
	#subscriptions = new Map<number, Subscription>();
	#retry: ReturnType<typeof setTimeout> | undefined;
	#ping: ReturnType<typeof setInterval> | undefined;

	constructor(private readonly events: SocketEvents) {}

	start() {
		this.#wanted = true;
		for (const one of WAKES) window.addEventListener(one, this.#now);
		void this.#connect();
	}

	stop() {
		this.#wanted = false;
		for (const one of WAKES) window.removeEventListener(one, this.#now);
		clearTimeout(this.#retry);
		this.#retry = undefined;
		this.#subscriptions.clear();
		this.#ws?.close(1000);
		this.#lost();
		this.events.state('closed', 0);
	}

	#now = () => {
		if (this.#retry === undefined) return; // it is under way
		clearTimeout(this.#retry);
		void this.#connect();
	};

	request(topic: string, data: unknown, timeoutMs: number, addon?: string): Promise<unknown> {
		if (!this.#open) return Promise.reject(offline());
		const id = this.#next++;
		return new Promise((resolve, reject) => {
			const timer = setTimeout(() => {
				this.#waiting.delete(id);
				this.#send({ op: 'cancel', id });
				reject(new QiError({ code: 504, data: { topic }, remedy: 'Who was asked is busy, or hangs: the page Mesh shows which.' }));
			}, timeoutMs + 1_000);
			this.#waiting.set(id, { resolve, reject, timer });
			this.#send({ op: 'request', id, topic, data, timeout_ms: timeoutMs, ...(addon ? { addon } : {}) });
		});
	}

	subscribe(one: Subscription): () => void {
		const id = this.#next++;
		this.#subscriptions.set(id, one);
		if (this.#open) this.#ask(id, one);
		return () => {
			if (this.#subscriptions.delete(id)) this.#send({ op: 'unsubscribe', id });
		};
	}

	#ask(id: number, one: Subscription) {
		const after = one.after === undefined ? {} : { after: one.after };
		this.#send({ op: 'subscribe', id, subjects: one.subjects, ...after });
	}

	#send(frame: unknown) {
		if (this.#ws?.readyState === WebSocket.OPEN) this.#ws.send(JSON.stringify(frame));
	}

	async #connect() {
		this.#retry = undefined;
		this.events.state('connecting', this.#tries);
		let access: string;
		try {
			access = await this.events.access(this.#tries > 0);
		} catch (error) {
			if (error instanceof QiError && error.status === 401) return this.#out(error);
			return this.#again();
		}
		if (!this.#wanted) return;
		const ws = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws`);
		this.#ws = ws;
		ws.onopen = () => ws.send(JSON.stringify({ op: 'hello', access }));
		ws.onmessage = (message) => {
			this.#heard = Date.now();
			this.#take(JSON.parse(String(message.data)) as Frame);
		};
		ws.onclose = (closed) => {
			if (this.#ws !== ws) return;
			this.#lost();
			if (!this.#wanted) return;
			if (closed.code === CROWDED) this.events.crowded(this.#bye);
			if (closed.code === 4403) {
				return this.#out(new QiError({ code: 403, message: 'The server does not let this window in.' }));
			}
			this.#again();
		};
	}

	#again() {
		if (!this.#wanted) return;
		this.#tries += 1;
		this.events.state('lost', this.#tries);
		const wait = Math.min(LONGEST_WAIT_MS, 250 * 2 ** Math.min(this.#tries, 6)) * (0.7 + Math.random() * 0.6);
		clearTimeout(this.#retry);
		this.#retry = setTimeout(() => void this.#connect(), wait);
	}

	#out(error: QiError) {
		this.stop();
		this.events.out(error);
	}

	#lost() {
		clearInterval(this.#ping);
		this.#ws = null;
		this.#open = false;
		for (const one of this.#waiting.values()) {
			clearTimeout(one.timer);
			one.reject(offline());
		}
		this.#waiting.clear();
	}

	#take(frame: Frame) {
		switch (frame.op) {
			case 'bye':
				this.#bye = new QiError(frame.error ?? {});
				return;
			case 'welcome':
				return this.#welcome(frame as unknown as Welcome);
			case 'studio':
				// The server is there, what it serves is not: for a window that is the same.
				return this.events.state(frame.answers ? 'open' : 'lost', frame.answers ? 0 : 1);
			case 'renew':
				void this.events.access(true).then(
					(access) => this.#send({ op: 'hello', access }),
					() => this.#ws?.close()
				);
				return;
			case 'reply':
				return this.#settle(frame, (one) => one.resolve(frame.data));
			case 'error':
				this.#subscriptions.get(frame.id ?? 0)?.refused(new QiError(frame.error ?? {}));
				return this.#settle(frame, (one) => one.reject(new QiError(frame.error ?? {})));
			case 'subscribed': {
				const one = this.#subscriptions.get(frame.id ?? 0);
				if (one && one.after === undefined) one.after = frame.head;
				return;
			}
			case 'event': {
				const one = this.#subscriptions.get(frame.id ?? 0);
				if (!one || !frame.event || frame.event.position <= (one.after ?? 0)) return;
				one.after = frame.event.position;
				return one.fact(frame.event);
			}
			case 'feed':
				return this.#subscriptions.get(frame.id ?? 0)?.feed(frame as unknown as Feed);
		}
	}

	#settle(frame: Frame, how: (one: Waiting) => void) {
		const one = this.#waiting.get(frame.id ?? 0);
		if (!one) return;
		this.#waiting.delete(frame.id ?? 0);
		clearTimeout(one.timer);
		how(one);
	}

	#welcome(told: Welcome) {
		const again = this.#open; // a renewed token is welcomed, too
		this.#open = true;
		this.#tries = 0;
		this.events.welcome(told);
		if (again) return;
		this.events.state('open', 0);
		for (const [id, one] of this.#subscriptions) this.#ask(id, one);
		clearInterval(this.#ping);
		this.#ping = setInterval(() => {
			if (Date.now() - this.#heard > SILENCE_MS) this.#ws?.close();
			else this.#send({ op: 'ping' });
		}, PING_MS);
	}
}

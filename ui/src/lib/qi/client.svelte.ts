import { TIMEOUTS, type Topics } from '../contracts';
import * as auth from './auth';
import type { LogIn, User } from './auth';
import { QiError, asQiError, offline } from './errors';
import { Socket, type Fact, type Feed, type Welcome, type Wire } from './socket';

export { QiError, asQiError } from './errors';
export type { Fact, Feed } from './socket';

type Who = 'unknown' | 'out' | 'in';

/** This window's side of the studio: who is logged in, how the wire is, requests and facts. */
class Client {
	who = $state<Who>('unknown');
	wire = $state<Wire>('closed');
	tries = $state(0);
	/** How often the wire came up. */
	opens = $state(0);
	/** Why the server has no room for this window, while it has none. */
	crowded = $state.raw<QiError | null>(null);
	/** Whether the present user had a wire before: the pages stay while it is mended. */
	met = $state(false);
	user = $state<User>({ name: '', roles: [], permissions: [] });
	session = $state('');
	bundle = $state('');
	studio = $state({ name: '', version: '' });
	/** Why the log-in ended; empty when nobody was thrown out. */
	why = $state('');

	#access = '';
	#goodUntil = 0;
	#renewing: Promise<string> | null = null;
	#opened: (() => void)[] = [];
	#socket: Socket | null = null;

	/** On start: by the code the window was opened with, or by the cookie of an earlier log-in. */
	async begin() {
		const code = auth.takeCode();
		try {
			this.#in(code ? await auth.redeem(code) : await auth.refresh());
		} catch (error) {
			const refused = asQiError(error);
			this.why = code ? refused.message : '';
			this.who = 'out';
		}
	}

	async login(user: string, password: string) {
		this.#in(await auth.login(user, password));
	}

	async logout() {
		this.#socket?.stop();
		await auth.logout().catch(() => undefined); // the server may be gone; this window forgets either way
		this.#forget('');
	}

	may(permission: string) {
		return this.user.permissions.includes(permission);
	}

	/** Ask `topic`. While the wire is being mended it waits for it, within its own time. */
	async request<T extends keyof Topics>(topic: T, data: Topics[T][0], timeoutMs?: number): Promise<Topics[T][1]> {
		return (await this.ask(topic, data, { timeoutMs })) as Topics[T][1];
	}

	/** Also what addons answer: their topics are not among the typed ones. */
	async ask(topic: string, data: unknown, how: { addon?: string; timeoutMs?: number } = {}): Promise<unknown> {
		const limit = how.timeoutMs ?? TIMEOUTS[topic as keyof Topics] ?? 10_000;
		if (this.wire !== 'open') await this.#whenOpen(Math.min(limit, 10_000));
		if (!this.#socket) throw offline();
		return this.#socket.request(topic, data, limit, how.addon);
	}

	/** Facts of the log on `subjects`, in order, none missed and none twice, from `after` or from now on. */
	facts(subjects: string[], fact: (event: Fact) => void, after?: number, refused?: (error: QiError) => void): () => void {
		return this.#subscribe({ subjects, after, fact, feed: () => undefined, refused: refused ?? (() => undefined) });
	}

	/** A file that was dropped here, to the studio's machine; answers its path there. */
	async upload(file: File, batch: string, progress: (bytes: number) => void): Promise<string> {
		return auth.upload(file, batch, await this.#fresh(), progress);
	}

	feed(subject: string, take: (feed: Feed) => void): () => void {
		const fact = () => undefined;
		return this.#subscribe({ subjects: [subject], after: undefined, fact, feed: take, refused: fact });
	}

	#subscribe(one: Parameters<Socket['subscribe']>[0]) {
		return this.#socket?.subscribe(one) ?? (() => undefined);
	}

	#whenOpen(limit: number): Promise<void> {
		return new Promise((resolve, reject) => {
			const timer = setTimeout(() => {
				this.#opened = this.#opened.filter((one) => one !== done);
				reject(offline());
			}, limit);
			const done = () => {
				clearTimeout(timer);
				resolve();
			};
			this.#opened.push(done);
		});
	}

	#in(told: LogIn) {
		this.#keep(told);
		if (this.met && this.user.name && this.user.name !== told.user.name) location.reload();
		this.user = told.user;
		this.session = told.session;
		this.bundle = told.bundle;
		this.studio.name = told.studio;
		this.why = '';
		this.who = 'in';
		this.#socket = new Socket({
			access: (anew) => this.#fresh(anew),
			state: (state, tries) => {
				this.wire = state;
				this.tries = tries;
				if (state !== 'open') return;
				this.crowded = null;
				this.opens += 1;
				this.#opened.splice(0).forEach((open) => open());
			},
			welcome: (welcome) => this.#welcome(welcome),
			out: (error) => this.#forget(error.message),
			crowded: (error) => (this.crowded = error)
		});
		this.#socket.start();
	}

	#welcome(told: Welcome) {
		this.met = true;
		this.user = told.user;
		this.session = told.session;
		this.bundle = told.bundle;
		this.studio = told.studio;
	}

	#keep(told: LogIn) {
		this.#access = told.access;
		this.#goodUntil = Date.now() + (told.expires_in - 40) * 1_000;
	}

	#fresh(anew = false): Promise<string> {
		if (!anew && Date.now() < this.#goodUntil) return Promise.resolve(this.#access);
		this.#renewing ??= auth
			.refresh()
			.then((told) => {
				this.#keep(told);
				return told.access;
			})
			.finally(() => (this.#renewing = null));
		return this.#renewing;
	}

	#forget(why: string) {
		this.#access = '';
		this.why = why;
		this.who = 'out';
		this.wire = 'closed';
		this.#socket = null;
	}
}

export const qi = new Client();

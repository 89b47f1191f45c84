import { QiError, offline, type ErrorReply } from './errors';

export interface User {
	name: string;
	roles: string[];
	permissions: string[];
}

/** What a log-in gives. The access token stays in memory; the refresh token is a cookie that no script can read. */
export interface LogIn {
	access: string;
	expires_in: number;
	user: User;
	session: string;
	bundle: string;
	studio: string;
}

export interface LogInForm {
	studio: string;
	provider: string;
	fields: string[];
}

async function call<T>(method: 'GET' | 'POST', path: string, body?: unknown): Promise<T> {
	let answer: Response;
	try {
		answer = await fetch(path, {
			method,
			credentials: 'same-origin',
			headers: body === undefined ? {} : { 'content-type': 'application/json' },
			body: body === undefined ? null : JSON.stringify(body)
		});
	} catch {
		throw offline();
	}
	const told = (await answer.json().catch(() => null)) as (T & { error?: ErrorReply }) | null;
	if (!answer.ok) throw new QiError({ status: answer.status, code: answer.status, ...told?.error });
	if (told === null) throw new QiError({ status: 502, message: 'The answer was no JSON.' });
	return told;
}

export const form = () => call<LogInForm>('GET', '/auth/form');
export const login = (user: string, password: string) => call<LogIn>('POST', '/auth/login', { user, password });
/** A refresh token is good once, and all windows of a browser share one: they take turns. */
export const refresh = () => {
	const ask = () => call<LogIn>('POST', '/auth/refresh', {});
	return navigator.locks ? navigator.locks.request('qi.refresh', ask) : ask();
};
export const redeem = (code: string) => call<LogIn>('POST', '/auth/redeem', { code });
export const logout = () => call<unknown>('POST', '/auth/logout', {});

/** `fetch` cannot say how far it came. */
export function upload(file: File, batch: string, access: string, progress: (bytes: number) => void): Promise<string> {
	return new Promise((resolve, reject) => {
		const request = new XMLHttpRequest();
		request.open('PUT', `/uploads/${batch}/${encodeURIComponent(file.name)}`);
		request.setRequestHeader('authorization', `Bearer ${access}`);
		request.responseType = 'json';
		request.upload.onprogress = (event) => progress(event.loaded);
		request.onerror = () => reject(offline());
		request.onload = () => {
			const told = request.response as { path?: string; error?: ErrorReply } | null;
			if (request.status === 200 && told?.path) resolve(told.path);
			else reject(new QiError({ status: request.status, ...told?.error }));
		};
		request.send(file);
	});
}

/** The one-time code this window was opened with. It is taken out of the address at once. */
export function takeCode(): string {
	const found = /^#code=([\w.~-]+)$/.exec(location.hash);
	if (!found) return '';
	history.replaceState(history.state, '', location.pathname + location.search);
	return found[1] ?? '';
}

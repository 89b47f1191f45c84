import type { Json } from '../contracts';

/** The studio's error reply, as every refused request carries it. */
export interface ErrorReply {
	code?: number | string;
	status?: number;
	message?: string;
	remedy?: string;
	data?: { [key: string]: Json };
	[key: string]: unknown;
}

/** A request that was refused, or that nobody answered. */
export class QiError extends Error {
	readonly code: string;
	readonly status: number;
	readonly remedy: string;
	readonly data: { [key: string]: Json };

	constructor(reply: ErrorReply) {
		const status = Number(reply.status ?? reply.code ?? 0);
		// What was asked is a topic's name, which says nothing to people; it stays in the data.
		super(status === 504 && reply.data?.topic ? 'No answer came in time.' : reply.message || 'Something went wrong.');
		this.name = 'QiError';
		this.code = String(reply.code ?? '');
		this.status = status;
		this.remedy = reply.remedy ?? '';
		this.data = reply.data ?? {};
	}

	/** Nobody said no: whoever was asked is away, or hangs. */
	get unanswered() {
		return this.status === 503 || this.status === 504;
	}
}

export const offline = () =>
	new QiError({ code: 503, message: 'The studio cannot be reached.', remedy: 'It is tried again by itself.' });

export function asQiError(error: unknown): QiError {
	if (error instanceof QiError) return error;
	return new QiError({ message: error instanceof Error ? error.message : String(error) });
}

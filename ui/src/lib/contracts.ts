// Written by `python scripts/ui_types.py` from the message types; do not edit it.
// Fields that a request may leave out are optional; a reply has them all.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export interface ActorFigures {
	name: string;
	requests: number;
	errors: number;
	waiting: number;
	deepest: number;
	waiting_bytes: number;
	dropped: number;
	p50_ms: number;
	p99_ms: number;
	topics: TopicFigures[];
}

export interface AddLink {
	project: string;
	input: string;
	output: string;
	type?: string;
	command?: string;
}

export interface AddNote {
	project: string;
	target: string;
	text: string;
	command?: string;
}

export interface AddUser {
	name: string;
	password: string;
	roles?: string[];
	command?: string;
}

export interface AddonInfo {
	name: string;
	version: string;
	title: string;
	roles: string[];
	folder: string;
	digest: string;
	problem: string;
	contributes: string[];
	installed: boolean;
	installed_by: string;
	installed_at: number;
	source: string;
}

export interface AddonList {
	addons: AddonInfo[];
}

export interface AddonRun {
	name: string;
	version: string;
	title: string;
	bundle: string;
	status: string;
	stage: string;
	problem: string;
	where: string;
	child: string;
	digest: string;
	folder: string;
	roles: string[];
	requires: { [key: string]: string };
	contributes: string[];
	commands: { [key: string]: Json }[];
	windows: { [key: string]: Json }[];
	slots: { [key: string]: Json }[];
	applications: { [key: string]: Json }[];
}

export interface AddonRuns {
	bundle: string;
	addons: AddonRun[];
}

export interface AmendBundle {
	bundle?: string;
	name?: string;
	settings?: Setting[];
	unset?: string[];
	pointer?: string;
	replaces?: string | null;
	reason: string;
	command?: string;
}

export interface Appended {
	first: number;
	last: number;
	versions: { [key: string]: number };
	repeated: boolean;
}

export interface Application {
	addon: string;
	name: string;
	title: string;
}

export interface ApplicationList {
	bundle: string;
	applications: Application[];
}

export interface ArchiveBundle {
	bundle: string;
	reason: string;
	command?: string;
}

export interface AskedRepair {
	plugin: string;
	instance: string;
}

export interface BackupLog {
	path: string;
}

export interface Beat {
}

export interface BundleDiff {
	first: string;
	second: string;
	addons: Changed[];
	settings: Changed[];
	environment: Changed[];
	plugins: Changed[];
}

export interface BundleInfo {
	id: string;
	name: string;
	state: string;
	digest: string;
	addons: PinnedAddon[];
	environment: { [key: string]: string };
	settings: { [key: string]: string };
	pointers: string[];
	pinned_by: PinnedBy[];
	origin: string;
	checked: string;
	problems: string[];
	created_at: number;
	created_by: string;
	position: number;
}

export interface BundleList {
	bundles: BundleInfo[];
	position: number;
}

export interface CancelJob {
	id: string;
}

export interface CancelPublish {
	publish: string;
	reason?: string;
	command?: string;
}

export interface Cause {
	what: string;
	name: string;
	was: string;
	now: string;
}

export interface CauseTree {
	events: Event[];
	position: number;
	more: boolean;
}

export interface ChangeTask {
	project: string;
	task: string;
	status?: string;
	assignees?: string[] | null;
	command?: string;
}

export interface ChangeVersion {
	project: string;
	version: string;
	status?: string;
	approval?: string;
	command?: string;
}

export interface Changed {
	name: string;
	old: string;
	new: string;
}

export interface Changing {
	path: string;
	was_set: boolean;
	old: Json;
	is_set: boolean;
	new: Json;
}

export interface CheckBundle {
	bundle: string;
	command?: string;
}

export interface ChildInfo {
	name: string;
	where: string;
	state: string;
	restarts: number;
	last_error: string;
}

export interface CloneBundle {
	bundle: string;
	name: string;
	reason?: string;
	command?: string;
}

export interface CloseWindow {
	name: string;
	desktop?: string;
}

export interface ComparePublishes {
	first: string;
	second: string;
}

export interface Comparison {
	first: string;
	second: string;
	same: boolean;
	differences: Difference[];
	causes: Cause[];
	cut: boolean;
}

export interface CreateBundle {
	name: string;
	dev?: boolean;
	addons?: string[];
	environment?: { [key: string]: string };
	reason?: string;
	command?: string;
}

export interface CreateEntity {
	project: string;
	path: string;
	kind?: string;
	tasks?: string[];
	frames?: [number, number] | null;
	command?: string;
}

export interface CreateProject {
	name: string;
	root?: string;
	code?: string;
	fps?: number;
	resolution?: [number, number];
	members?: string[];
	command?: string;
}

export interface CreateTask {
	project: string;
	entity: string;
	name: string;
	type?: string;
	assignees?: string[];
	command?: string;
}

export interface DeleteBundle {
	bundle: string;
	reason: string;
	command?: string;
}

export interface DiffBundles {
	first: string;
	second: string;
	at?: number;
}

export interface DiffSettings {
	first: SettingsOf;
	second: SettingsOf;
	addon?: string;
}

export interface Difference {
	what: string;
	name: string;
	was: string;
	now: string;
}

export interface Done {
}

export interface EditBundle {
	bundle: string;
	add?: string[];
	remove?: string[];
	set?: { [key: string]: string };
	unset?: string[];
	reason?: string;
	expected?: string | null;
	command?: string;
}

export interface EndLogins {
	name: string;
	reason?: string;
	command?: string;
}

export interface EndSession {
	id?: string;
}

export interface EnsureAddon {
	name: string;
	bundle?: string;
}

export interface Entity {
	name: string;
	kind: string;
	path: string;
	parent: string;
	frames: [number, number] | null;
	attributes: { [key: string]: Json };
	id: string;
}

export interface EntityPage {
	items: Entity[];
	next: string;
}

export interface Event {
	position: number;
	id: string;
	stream: string;
	version: number;
	type: string;
	schema: number;
	occurred_at: number;
	recorded_at: number;
	meta: Meta;
	data: { [key: string]: Json };
	digest: string;
	hash: string;
}

export interface EventPage {
	events: Event[];
	head: number;
	more: boolean;
	reached: number;
}

export interface ExplainSetting {
	path: string;
	bundle?: string;
	project?: string;
	user?: string;
	at?: number;
}

export interface Explanation {
	path: string;
	value: Json;
	layers: LayerValue[];
}

export interface Figures {
	actors: ActorFigures[];
}

export interface FileList {
	files: PublishedFile[];
	more: boolean;
}

export interface FileRecord {
	path: string;
	size: number;
	digest: string;
}

export interface FindTask {
	project: string;
	entity: string;
	task: string;
}

export interface FoldersMade {
	folders: string[];
}

export interface FoundTask {
	project: Project;
	entity: Entity;
	task: Task;
}

export interface FoundVersion {
	entity: Entity;
	product: Product;
	version: Version;
}

export interface FreezeBundle {
	bundle: string;
	reason?: string;
	command?: string;
}

export interface GetAddons {
	bundle?: string;
}

export interface GetBundle {
	bundle?: string;
	project?: string;
	entity?: string;
	otherwise?: string;
	at?: number;
	after?: number;
}

export interface GetEntity {
	project: string;
	entity: string;
}

export interface GetJob {
	id: string;
}

export interface GetLogStats {
}

export interface GetManifest {
	publish: string;
	offset?: number;
}

export interface GetOptions {
	path: string;
	bundle?: string;
	project?: string;
	user?: string;
}

export interface GetOverrides {
	scope: string;
	target?: string;
	addon?: string;
	at?: number;
}

export interface GetProject {
	project: string;
}

export interface GetSettingHistory {
	scope?: string;
	target?: string;
	path?: string;
	before?: number;
	limit?: number;
}

export interface GetSettings {
	addon?: string;
	path?: string;
	bundle?: string;
	project?: string;
	user?: string;
	at?: number;
	bundle_at?: number;
	after?: number;
}

export interface GetSettingsSchema {
	addon: string;
	bundle?: string;
	project?: string;
}

export interface GetStatus {
}

export interface GetStepLog {
	publish: string;
	records: string;
	offset?: number;
}

export interface GetVersion {
	project: string;
	version: string;
}

export interface GrantRole {
	name: string;
	role: string;
	reason?: string;
	revoke?: boolean;
	command?: string;
}

export interface Heard {
	production: NewerBundle | null;
}

export interface Identify {
	id: string;
}

export interface InstallAddon {
	file: string;
	reason?: string;
	command?: string;
}

export interface InvalidSetting {
	path: string;
	layer: string;
	value: Json;
	why: string;
	by: string;
	at: number;
	target: string;
}

export interface InvalidSettings {
	settings: InvalidSetting[];
}

export interface JobInfo {
	id: string;
	addon: string;
	kind: string;
	title: string;
	bundle: string;
	user: string;
	state: string;
	arguments: { [key: string]: Json };
	step: number;
	steps: number;
	message: string;
	result: { [key: string]: Json };
	tries: number;
	created_at: number;
	ended_at: number;
}

export interface JobKinds {
	kinds: string[];
}

export interface JobList {
	jobs: JobInfo[];
}

export interface LastNumber {
	number: number;
}

export interface LatestVersion {
	project: string;
	entity: string;
	product: string;
}

export interface Launch {
	addon: string;
	name: string;
	project: string;
	entity?: string;
	task?: string;
	desktop?: string;
}

export interface LaunchInfo {
	launch: string;
	addon: string;
	name: string;
	title: string;
	project: string;
	entity: string;
	task: string;
	program: string;
	pid: number;
	host: string;
	at: number;
}

export interface LaunchList {
	launches: LaunchInfo[];
}

export interface LayerValue {
	layer: string;
	value: Json;
	by: string;
	at: number;
	reason: string;
	event: string;
	pinned: boolean;
	why: string;
}

export interface LiftHold {
	pointer?: string;
	reason: string;
	command?: string;
}

export interface Link {
	input: string;
	output: string;
	type: string;
	id: string;
}

export interface LinkList {
	items: Link[];
}

export interface ListAddons {
}

export interface ListApplications {
	project?: string;
	entity?: string;
}

export interface ListBundles {
	after?: number;
}

export interface ListEntities {
	project: string;
	parent?: string | null;
	kind?: string;
	text?: string;
	after?: string;
	limit?: number;
}

export interface ListFiles {
	publish: string;
	offset?: number;
	limit?: number;
}

export interface ListInvalid {
	bundle?: string;
}

export interface ListJobKinds {
	addon: string;
}

export interface ListJobs {
	state?: string;
	user?: string;
	limit?: number;
}

export interface ListLinks {
	project: string;
	version: string;
}

export interface ListLogFiles {
}

export interface ListNotes {
	project: string;
	target: string;
	after?: string;
	limit?: number;
}

export interface ListNotices {
	unread?: boolean;
	limit?: number;
}

export interface ListPointers {
}

export interface ListProducts {
	project: string;
	entity?: string | null;
	after?: string;
	limit?: number;
}

export interface ListProjects {
	archived?: boolean;
	after?: string;
	limit?: number;
}

export interface ListPublishes {
	failed?: boolean;
	state?: string;
	project?: string;
	user?: string;
	product?: string;
	plugin?: string;
	text?: string;
	limit?: number;
	before?: string;
}

export interface ListRepresentations {
	project: string;
	version: string;
}

export interface ListSecrets {
}

export interface ListSessions {
}

export interface ListTasks {
	project: string;
	entity?: string | null;
	assignee?: string;
	after?: string;
	limit?: number;
}

export interface ListUsers {
}

export interface ListVersions {
	project: string;
	product?: string | null;
	after?: string;
	limit?: number;
}

export interface ListWindows {
}

export interface LogBackup {
	path: string;
	events: number;
	hash: string;
}

export interface LogFile {
	name: string;
	size: number;
	changed_at: number;
}

export interface LogFileList {
	files: LogFile[];
}

export interface LogLine {
	at: number;
	time: string;
	level: string;
	logger: string;
	message: string;
	detail: string;
}

export interface LogProof {
	events: number;
	head: number;
	hash: string;
	signed_position: number;
	seconds: number;
}

export interface LogStats {
	events: number;
	head: number;
	head_hash: string;
	streams: number;
	bytes: number;
	wal_bytes: number;
	signed_position: number;
	types: { [key: string]: number };
	projections: ProjectionInfo[];
}

export interface LogWindow {
	lines: LogLine[];
	start: number;
	end: number;
	size: number;
	file: string;
}

export interface LoggedIn {
	session: SessionInfo;
	token: string;
}

export interface Login {
	user: string;
	password: string;
}

export interface Logout {
	token?: string;
}

export interface MakeFolders {
	project: string;
	entity?: string;
	task?: string;
}

export interface ManifestText {
	text: string;
	more: boolean;
}

export interface MeasureActors {
}

export interface Meta {
	user: string;
	session: string;
	host: string;
	trace: string;
	cause: string;
	command: string;
}

export interface NewEvent {
	stream: string;
	type: string;
	data: { [key: string]: Json };
	schema: number;
	id: string;
	occurred_at: number;
}

export interface NewerBundle {
	bundle: string;
	name: string;
	digest: string;
	by: string;
	reason: string;
}

export interface Note {
	target: string;
	author: string;
	text: string;
	created_at: number;
	id: string;
}

export interface NotePage {
	items: Note[];
	next: string;
}

export interface Notice {
	id: string;
	user: string;
	level: string;
	text: string;
	source: string;
	about: string;
	at: number;
	read: boolean;
}

export interface Notices {
	notices: Notice[];
}

export interface OpenSession {
	kind: string;
	parent?: string;
	host?: string;
	pid?: number;
	os_user?: string;
	bundle?: string;
	project?: string;
	entity?: string;
	task?: string;
}

export interface OpenWindow {
	name?: string;
	path?: string | null;
	title?: string;
	width?: number;
	height?: number;
	desktop?: string;
}

export interface Option {
	value: Json;
	label: string;
}

export interface OptionList {
	options: Option[];
}

export interface PatchSettings {
	scope: string;
	target?: string;
	settings?: Setting[];
	unset?: string[];
	reason?: string;
	expected?: number | null;
	dry_run?: boolean;
	command?: string;
}

export interface Patched {
	revision: number;
	position: number;
	changed: number;
	changes: Changing[];
}

export interface PinBundle {
	of: string;
	target: string;
	label: string;
	bundle?: string;
	replaces?: string | null;
	reason: string;
	command?: string;
}

export interface PinnedAddon {
	name: string;
	version: string;
	digest: string;
	path: string;
}

export interface PinnedBy {
	of: string;
	target: string;
	label: string;
}

export interface PointerInfo {
	name: string;
	bundle: string;
	digest: string;
	moved_by: string;
	moved_at: number;
	reason: string;
	held: boolean;
	needs_check: boolean;
}

export interface PointerList {
	pointers: PointerInfo[];
	position: number;
}

export interface PreviewVersion {
	project: string;
	entity: string;
	task: string;
	product: string;
}

export interface Product {
	entity: string;
	name: string;
	type: string;
	id: string;
}

export interface ProductPage {
	items: Product[];
	next: string;
}

export interface Project {
	name: string;
	root: string;
	code: string;
	fps: number;
	resolution: [number, number];
	members: string[];
	bundle: string;
	archived: boolean;
	id: string;
}

export interface ProjectPage {
	items: Project[];
	next: string;
}

export interface ProjectionInfo {
	name: string;
	version: number;
	position: number;
}

export interface PromoteBundle {
	bundle: string;
	pointer?: string;
	replaces?: string | null;
	automatic?: boolean;
	reason: string;
	command?: string;
}

export interface PublishError {
	code: number;
	step: string;
	message: string;
	remedy: string;
}

export interface PublishInfo {
	publish: string;
	state: string;
	version: number | null;
	path: string | null;
	files: number;
	replay_of: string | null;
	error: PublishError | null;
	mode: string;
	project: string;
	entity: string;
	task: string;
	product: string;
	comment: string;
	user: string;
	bundle: string;
	bundle_digest: string;
	position: number;
	manifest: string;
	made_good_by: string;
	requested_at: number;
	finished_at: number;
	steps: StepInfo[];
	offers: RepairOffer[];
	repairs: RepairMade[];
}

export interface PublishList {
	publishes: PublishInfo[];
	more: boolean;
}

export interface PublishStarted {
	publish: string;
	position: number;
}

export interface PublishedFile {
	path: string;
	size: number;
	digest: string;
	representation: string;
}

export interface QueryHistory {
	publish?: string;
	trace?: string;
	after?: number;
	limit?: number;
}

export interface ReadLog {
	after?: number;
	before?: number;
	limit?: number;
	stream?: string;
	category?: string;
	type?: string;
	user?: string;
	trace?: string;
	text?: string;
	entity?: string;
	since?: number;
	until?: number;
	newest?: boolean;
}

export interface ReadLogFile {
	name: string;
	before?: number;
	after?: number | null;
	limit?: number;
	level?: string;
	text?: string;
}

export interface ReadNotices {
	id?: string;
}

export interface ReadSecret {
	name: string;
	version?: number;
	purpose?: string;
}

export interface RecentLaunches {
	limit?: number;
}

export interface Recognise {
	project: string;
	entity: string;
	task: string;
	product: string;
	sources: string[];
}

export interface Recognised {
	name: string;
	family: string;
	families: string[];
	sequence: string;
	files: number;
	size: number;
	first: number | null;
	last: number | null;
	gaps: string;
	missing: number;
	collected_by: string;
	taken_by: string[];
}

export interface Recognition {
	instances: Recognised[];
	more: number;
}

export interface RecordOwn {
	addon: string;
	events: NewEvent[];
	expected: { [key: string]: number };
	command?: string;
}

export interface Recorded {
	event: string;
}

export interface RegisterVersion {
	project: string;
	entity: string;
	task: string;
	product: string;
	type?: string;
	number: number;
	path: string;
	comment?: string;
	publish: string;
	key: string;
	plan: string;
	command: string;
}

export interface RehearsalInfo {
	id: string;
	bundle: string;
	digest: string;
	state: string;
	total: number;
	tried: Tried[];
	by: string;
	began_at: number;
}

export interface RehearseBundle {
	bundle: string;
	last?: number;
	project?: string;
	command: string;
}

export interface Remap {
	old: string;
	new: string;
}

export interface RemoveAddon {
	name: string;
	version: string;
	reason: string;
	command?: string;
}

export interface RemoveSecret {
	name: string;
	reason?: string;
	command?: string;
}

export interface RepairMade {
	plugin: string;
	instance: string;
	title: string;
	user: string;
}

export interface RepairOffer {
	step: string;
	plugin: string;
	instance: string;
	title: string;
}

export interface RepairPublish {
	publish: string;
	steps: string[];
	command: string;
}

export interface ReplayPublish {
	publish: string;
	mode?: string;
	remap?: Remap[];
	accept_changed?: boolean;
	took_effect?: boolean | null;
	bundle?: string;
	settings_at?: number;
	environment?: { [key: string]: string };
	command: string;
}

export interface ReportJob {
	id: string;
	state: string;
	step?: number;
	steps?: number;
	message?: string;
	result?: { [key: string]: Json };
	kept?: { [key: string]: Json } | null;
}

export interface ReportWork {
	publish: string;
	events: WorkEvent[];
	command: string;
}

export interface Representation {
	name: string;
	folder: string;
	files: FileRecord[];
	metadata: { [key: string]: Json };
	version: string;
	id: string;
}

export interface RepresentationList {
	items: Representation[];
}

export interface RequestPublish {
	command: string;
	project: string;
	entity: string;
	task: string;
	product: string;
	sources: string[];
	comment?: string;
	bundle?: string;
	environment: { [key: string]: string };
}

export interface RequireCheck {
	pointer?: string;
	required?: boolean;
	reason: string;
	command?: string;
}

export interface ReserveNumber {
	publish: string;
	on_disk: number;
	taken?: boolean;
	command: string;
}

export interface Reserved {
	number: number;
}

export interface RestartActor {
	name: string;
}

export interface RestartAddon {
	name: string;
	bundle?: string;
}

export interface RestoreBundle {
	bundle: string;
	reason: string;
	command?: string;
}

export interface ResumeWork {
}

export interface RevertPointer {
	pointer?: string;
	bundle?: string;
	replaces?: string | null;
	reason: string;
	command?: string;
}

export interface RevertSettings {
	scope?: string;
	target?: string;
	path?: string;
	to?: number | null;
	change?: string;
	reason: string;
	expected?: number | null;
	dry_run?: boolean;
	command?: string;
}

export interface ScopeSettings {
	settings: StoredSetting[];
	revision: number;
	position: number;
}

export interface SecretInfo {
	name: string;
	version: number;
	stored_by: string;
	stored_at: number;
}

export interface SecretList {
	secrets: SecretInfo[];
	kept_in: string;
}

export interface SecretValue {
	name: string;
	version: number;
	value: string;
}

export interface SendNotice {
	user: string;
	text: string;
	level?: string;
	about?: string;
}

export interface SessionInfo {
	id: string;
	kind: string;
	user: string;
	roles: string[];
	permissions: string[];
	parent: string;
	host: string;
	pid: number;
	state: string;
	opened_at: number;
	bundle: string;
	addon: string;
	project: string;
	entity: string;
	task: string;
}

export interface SessionList {
	sessions: SessionInfo[];
}

export interface Setting {
	path: string;
	value: Json;
}

export interface SettingChange {
	position: number;
	event: string;
	at: number;
	by: string;
	scope: string;
	target: string;
	path: string;
	was_set: boolean;
	old: Json;
	is_set: boolean;
	new: Json;
	reason: string;
}

export interface SettingDifference {
	path: string;
	first: Json;
	second: Json;
	first_has: boolean;
	second_has: boolean;
}

export interface SettingHistory {
	changes: SettingChange[];
	before: number;
}

export interface SettingsDiff {
	differences: SettingDifference[];
	more: boolean;
}

export interface SettingsOf {
	bundle: string;
	project: string;
	user: string;
	at: number;
}

export interface SettingsSchema {
	schema: { [key: string]: Json };
	version: string;
}

export interface SettingsValues {
	values: { [key: string]: Json };
	revision: number;
	position: number;
	invalid: InvalidSetting[];
	pinned: string[];
	revisions: { [key: string]: number };
}

export interface ShowPublish {
	publish: string;
}

export interface ShowRehearsal {
	id: string;
}

export interface StartJob {
	addon: string;
	kind: string;
	arguments?: { [key: string]: Json };
	title?: string;
	command?: string;
}

export interface StepInfo {
	plugin: string;
	instance: string;
	state: string;
	outcome: string;
	duration_ms: number;
	message: string;
	remedy: string;
	records: string;
}

export interface StepLog {
	lines: string[];
	more: boolean;
}

export interface StopStudio {
}

export interface StoreSecret {
	name: string;
	value: string;
	command?: string;
}

export interface StoredSetting {
	path: string;
	value: Json;
	schema: string;
	by: string;
	at: number;
	reason: string;
	event: string;
}

export interface StudioStatus {
	version: string;
	home: string;
	host: string;
	pid: number;
	started_at: number;
	stage: string;
	lives: string;
	children: ChildInfo[];
	broker_restarts: number;
	problems: string[];
}

export interface TakeWork {
	publish: string;
	command?: string;
}

export interface Task {
	entity: string;
	name: string;
	type: string;
	status: string;
	assignees: string[];
	id: string;
}

export interface TaskPage {
	items: Task[];
	next: string;
}

export interface TopicFigures {
	topic: string;
	requests: number;
	mean_ms: number;
	p50_ms: number;
	p99_ms: number;
}

export interface Tried {
	publish: string;
	what_if: string;
	label: string;
	was: string;
	now: string;
	verdict: string;
	differences: number;
	first: string[];
	causes: string[];
	reason: string;
}

export interface UserInfo {
	name: string;
	roles: string[];
	permissions: string[];
	key: string;
}

export interface UserList {
	users: UserInfo[];
}

export interface VerifyLog {
}

export interface Version {
	product: string;
	number: number;
	key: string;
	publish: string;
	task: string;
	author: string;
	comment: string;
	status: string;
	approval: string;
	created_at: number;
	id: string;
}

export interface VersionPage {
	items: Version[];
	next: string;
}

export interface VersionPreview {
	version: number;
	path: string;
	file: string;
	bundle: string;
}

export interface WindowInfo {
	name: string;
	title: string;
	path: string;
	shown: boolean;
	desktop: string;
}

export interface WindowList {
	windows: WindowInfo[];
}

export interface Work {
	publish: string;
	mode: string;
	state: string;
	pinned: string;
	sources: string[];
	user: string;
	replay_of: string;
	manifest: string;
	plan: string;
	version: number;
	steps: { [key: string]: string };
	remap: Remap[];
	accept_changed: boolean;
	repairs: AskedRepair[];
}

export interface WorkEvent {
	type: string;
	data: { [key: string]: Json };
}

/** Topic: its request and its reply. */
export interface Topics {
	'addon.ensure': [EnsureAddon, AddonRun];
	'addon.install': [InstallAddon, AddonInfo];
	'addon.list': [ListAddons, AddonList];
	'addon.remove': [RemoveAddon, Done];
	'addon.restart': [RestartAddon, AddonRun];
	'addon.status': [GetAddons, AddonRuns];
	'application.launch': [Launch, LaunchInfo];
	'application.list': [ListApplications, ApplicationList];
	'application.recent': [RecentLaunches, LaunchList];
	'auth.login': [Login, LoggedIn];
	'auth.logout': [Logout, Done];
	'auth.user.add': [AddUser, UserInfo];
	'auth.user.end_logins': [EndLogins, UserInfo];
	'auth.user.grant': [GrantRole, UserInfo];
	'auth.user.list': [ListUsers, UserList];
	'bundle.amend': [AmendBundle, BundleInfo];
	'bundle.archive': [ArchiveBundle, BundleInfo];
	'bundle.check': [CheckBundle, BundleInfo];
	'bundle.clone': [CloneBundle, BundleInfo];
	'bundle.create': [CreateBundle, BundleInfo];
	'bundle.delete': [DeleteBundle, Done];
	'bundle.diff': [DiffBundles, BundleDiff];
	'bundle.edit': [EditBundle, BundleInfo];
	'bundle.freeze': [FreezeBundle, BundleInfo];
	'bundle.gate': [RequireCheck, PointerList];
	'bundle.get': [GetBundle, BundleInfo];
	'bundle.list': [ListBundles, BundleList];
	'bundle.pin': [PinBundle, Done];
	'bundle.pointers': [ListPointers, PointerList];
	'bundle.promote': [PromoteBundle, BundleInfo];
	'bundle.release': [LiftHold, PointerList];
	'bundle.restore': [RestoreBundle, BundleInfo];
	'bundle.revert': [RevertPointer, BundleInfo];
	'config.diff': [DiffSettings, SettingsDiff];
	'config.explain': [ExplainSetting, Explanation];
	'config.get': [GetSettings, SettingsValues];
	'config.history': [GetSettingHistory, SettingHistory];
	'config.invalid': [ListInvalid, InvalidSettings];
	'config.options': [GetOptions, OptionList];
	'config.overrides': [GetOverrides, ScopeSettings];
	'config.patch': [PatchSettings, Patched];
	'config.revert': [RevertSettings, Patched];
	'config.schema': [GetSettingsSchema, SettingsSchema];
	'db.entity.create': [CreateEntity, Entity];
	'db.entity.get': [GetEntity, Entity];
	'db.entity.list': [ListEntities, EntityPage];
	'db.link.add': [AddLink, Link];
	'db.link.list': [ListLinks, LinkList];
	'db.note.add': [AddNote, Note];
	'db.note.list': [ListNotes, NotePage];
	'db.product.list': [ListProducts, ProductPage];
	'db.project.create': [CreateProject, Project];
	'db.project.get': [GetProject, Project];
	'db.project.list': [ListProjects, ProjectPage];
	'db.representation.list': [ListRepresentations, RepresentationList];
	'db.task.change': [ChangeTask, Task];
	'db.task.create': [CreateTask, Task];
	'db.task.find': [FindTask, FoundTask];
	'db.task.list': [ListTasks, TaskPage];
	'db.version.change': [ChangeVersion, Version];
	'db.version.get': [GetVersion, FoundVersion];
	'db.version.latest': [LatestVersion, LastNumber];
	'db.version.list': [ListVersions, VersionPage];
	'db.version.register': [RegisterVersion, Version];
	'folder.make': [MakeFolders, FoldersMade];
	'history.query': [QueryHistory, CauseTree];
	'job.cancel': [CancelJob, JobInfo];
	'job.get': [GetJob, JobInfo];
	'job.kinds': [ListJobKinds, JobKinds];
	'job.list': [ListJobs, JobList];
	'job.report': [ReportJob, Done];
	'job.start': [StartJob, JobInfo];
	'log.backup': [BackupLog, LogBackup];
	'log.read': [ReadLog, EventPage];
	'log.record': [RecordOwn, Appended];
	'log.stats': [GetLogStats, LogStats];
	'log.verify': [VerifyLog, LogProof];
	'notice.list': [ListNotices, Notices];
	'notice.read': [ReadNotices, Done];
	'notice.send': [SendNotice, Notice];
	'publish.cancel': [CancelPublish, PublishStarted];
	'publish.compare': [ComparePublishes, Comparison];
	'publish.files': [ListFiles, FileList];
	'publish.list': [ListPublishes, PublishList];
	'publish.log': [GetStepLog, StepLog];
	'publish.manifest': [GetManifest, ManifestText];
	'publish.preview': [PreviewVersion, VersionPreview];
	'publish.recognise': [Recognise, Recognition];
	'publish.repair': [RepairPublish, PublishStarted];
	'publish.replay': [ReplayPublish, PublishStarted];
	'publish.request': [RequestPublish, PublishStarted];
	'publish.show': [ShowPublish, PublishInfo];
	'rehearsal.show': [ShowRehearsal, RehearsalInfo];
	'rehearsal.start': [RehearseBundle, RehearsalInfo];
	'secret.list': [ListSecrets, SecretList];
	'secret.read': [ReadSecret, SecretValue];
	'secret.remove': [RemoveSecret, Done];
	'secret.store': [StoreSecret, SecretInfo];
	'session.beat': [Beat, Heard];
	'session.end': [EndSession, Done];
	'session.identify': [Identify, SessionInfo];
	'session.list': [ListSessions, SessionList];
	'session.open': [OpenSession, SessionInfo];
	'studio.figures': [MeasureActors, Figures];
	'studio.logs': [ListLogFiles, LogFileList];
	'studio.logs.read': [ReadLogFile, LogWindow];
	'studio.restart': [RestartActor, Done];
	'studio.resume': [ResumeWork, Done];
	'studio.status': [GetStatus, StudioStatus];
	'studio.stop': [StopStudio, Done];
	'window.close': [CloseWindow, Done];
	'window.list': [ListWindows, WindowList];
	'window.open': [OpenWindow, WindowInfo];
	'work.report': [ReportWork, Recorded];
	'work.reserve': [ReserveNumber, Reserved];
	'work.take': [TakeWork, Work];
}

/** How long an answer may take where it is not ten seconds, milliseconds. */
export const TIMEOUTS: Partial<Record<keyof Topics, number>> = {
	'addon.ensure': 60000,
	'addon.install': 60000,
	'addon.restart': 60000,
	'application.launch': 15000,
	'auth.login': 20000,
	'auth.user.add': 20000,
	'bundle.amend': 60000,
	'bundle.check': 600000,
	'bundle.create': 60000,
	'bundle.delete': 60000,
	'bundle.edit': 60000,
	'bundle.freeze': 60000,
	'config.diff': 30000,
	'config.history': 30000,
	'config.invalid': 30000,
	'config.options': 20000,
	'config.schema': 30000,
	'db.version.register': 15000,
	'folder.make': 30000,
	'history.query': 30000,
	'job.kinds': 20000,
	'job.start': 20000,
	'log.backup': 600000,
	'log.verify': 600000,
	'publish.compare': 30000,
	'publish.recognise': 30000,
	'publish.repair': 30000,
	'publish.replay': 30000,
	'publish.request': 30000,
	'rehearsal.start': 30000,
	'work.report': 30000,
	'work.reserve': 30000,
	'work.take': 20000,
};

export { type FoundPostgres, findPostgres, type PostgresPrograms } from './find.ts'
export type { StopMode, Tls } from './machine.ts'
export { type PostgresServer, type PostgresServerOptions, startPostgres } from './server.ts'

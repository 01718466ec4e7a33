declare module "worker:*" {
  /** The bundled code of a worker. */
  const code: string;
  export default code;
}

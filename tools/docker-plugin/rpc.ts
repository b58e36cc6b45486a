/** Between promises and gRPC's callbacks. */
import grpc from "@grpc/grpc-js";

/** A method that answers with what the promise gives, or fails with the error's text. */
export function unary<Request, Response>(
  answer: (request: Request) => Promise<Response>,
): grpc.handleUnaryCall<Request, Response> {
  return (call, callback) => {
    answer(call.request).then(
      (response) => callback(null, response),
      (error: unknown) => {
        callback({
          code: grpc.status.UNKNOWN,
          details: error instanceof Error ? error.message : String(error),
        });
      },
    );
  };
}

/** A method that only the official plugin has. */
export function notServed<Request, Response>(what: string): grpc.handleUnaryCall<Request, Response> {
  return (_call, callback) => {
    callback({
      code: grpc.status.UNIMPLEMENTED,
      details: `the air-gapped docker plugin does not serve ${what}; use the official docker plugin`,
    });
  };
}

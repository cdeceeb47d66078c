#if Hummingbird
internal import HTTPTypes
internal import Hummingbird

/// What a handler that reads a request's body gets instead of the rest, and what the client gets as an answer unless
/// the application says something else.
struct RequestAborted: HTTPResponseError, CustomStringConvertible {
    let status: HTTPResponse.Status
    let description: String

    static let tooSlow = RequestAborted(status: .requestTimeout, description: "the request's body did not come in time")

    static func tooLarge(_ limit: Int) -> RequestAborted {
        RequestAborted(status: .contentTooLarge, description: "the request's body is longer than \(limit) bytes")
    }

    var response: Response { Response(status: status) }

    func response(from request: Request, context: some RequestContext) throws -> Response { response }
}
#endif

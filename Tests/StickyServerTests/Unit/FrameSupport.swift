@testable import StickyServer

/// What ``Frame/parse(_:)`` makes of bytes, with the payload copied out.
struct ParsedFrame {
    let kind: Frame.Kind
    let count: Int
    let length: Int
    let payload: [UInt8]

    init(_ bytes: [UInt8]) throws(FrameError) {
        let result: Result<ParsedFrame, FrameError> = bytes.withUnsafeBytes { buffer in
            do throws(FrameError) {
                let (header, payload) = try Frame.parse(buffer)
                var reader = payload
                let rest = [UInt8](try reader.read(count: reader.remaining))
                return .success(ParsedFrame(header, rest))
            } catch {
                return .failure(error)
            }
        }
        self = try result.get()
    }

    private init(_ header: Frame.Header, _ payload: [UInt8]) {
        (kind, count, length) = (header.kind, header.count, header.length)
        self.payload = payload
    }
}

/// Calls `body` with a reader of `bytes`.
func withReader<R>(_ bytes: [UInt8], _ body: (inout FrameReader) throws(FrameError) -> R) throws(FrameError) -> R {
    let result: Result<R, FrameError> = bytes.withUnsafeBytes { buffer in
        var reader = FrameReader(buffer)
        do throws(FrameError) {
            return .success(try body(&reader))
        } catch {
            return .failure(error)
        }
    }
    return try result.get()
}

/// What `body` throws; nil when it does not.
func frameError<R>(_ body: () throws(FrameError) -> R) -> FrameError? {
    do throws(FrameError) {
        _ = try body()
        return nil
    } catch {
        return error
    }
}

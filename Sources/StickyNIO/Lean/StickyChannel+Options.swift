#if NIO && os(Linux)
internal import Glibc
public import NIOCore
internal import StickyTLS

// Options, addresses and what a connected socket cannot do.
extension StickyChannel {
    public func localAddress0() throws -> NIOCore.SocketAddress {
        guard let address = localAddress else { throw ChannelError.unknownLocalAddress }
        return address
    }

    public func remoteAddress0() throws -> NIOCore.SocketAddress {
        guard let address = remoteAddress else { throw ChannelError.operationUnsupported }
        return address
    }

    /// A channel comes registered.
    public func register0(promise: EventLoopPromise<Void>?) {
        promise?.fail(phase == .closed ? ChannelError.ioOnClosedChannel : ChannelError.inappropriateOperationForState)
    }

    public func registerAlreadyConfigured0(promise: EventLoopPromise<Void>?) {
        register0(promise: promise)
    }

    public func bind0(to: NIOCore.SocketAddress, promise: EventLoopPromise<Void>?) {
        promise?.fail(ChannelError.operationUnsupported)
    }

    public func connect0(to: NIOCore.SocketAddress, promise: EventLoopPromise<Void>?) {
        promise?.fail(ChannelError.operationUnsupported)
    }

    public func triggerUserOutboundEvent0(_ event: Any, promise: EventLoopPromise<Void>?) {
        guard let question = event as? ConnectionQuestion else {
            promise?.fail(ChannelError.operationUnsupported)
            return
        }
        question.connection = connection
        question.tls = tlsInfo
        promise?.succeed(())
    }

    /// What no handler took is dropped.
    public func channelRead0(_ data: NIOAny) {}

    /// What no handler took is dropped.
    public func errorCaught0(error: any Error) {}

    // MARK: - Options

    /// Sets an option. Safe on any thread.
    public func setOption<Option: ChannelOption>(_ option: Option, value: Option.Value) -> EventLoopFuture<Void> {
        if loop.inEventLoop { return loop.makeCompletedFuture { try setOption0(option, value) } }
        return loop.submit { try self.setOption0(option, value) }
    }

    /// Reads an option. Safe on any thread.
    public func getOption<Option: ChannelOption>(_ option: Option) -> EventLoopFuture<Option.Value> {
        if loop.inEventLoop { return loop.makeCompletedFuture { try getOption0(option) } }
        return loop.submit { try self.getOption0(option) }
    }

    /// Options without futures, on the loop.
    public var syncOptions: (any NIOSynchronousChannelOptions)? { SynchronousOptions(channel: self) }

    private struct SynchronousOptions: NIOSynchronousChannelOptions {
        let channel: StickyChannel

        func setOption<Option: ChannelOption>(_ option: Option, value: Option.Value) throws {
            try channel.setOption0(option, value)
        }

        func getOption<Option: ChannelOption>(_ option: Option) throws -> Option.Value {
            try channel.getOption0(option)
        }
    }

    private func setOption0<Option: ChannelOption>(_ option: Option, _ value: Option.Value) throws {
        loop.assertInEventLoop()
        guard phase != .closed else { throw ChannelError.ioOnClosedChannel }
        switch (option, value) {
        case (_ as ChannelOptions.Types.AutoReadOption, let value as Bool):
            let had = autoRead
            autoRead = value
            if value, !had { readIfWanted() }
        case (_ as ChannelOptions.Types.AllowRemoteHalfClosureOption, let value as Bool):
            allowsHalfClosure = value
        case (
            _ as ChannelOptions.Types.WriteBufferWaterMarkOption, let value as ChannelOptions.Types.WriteBufferWaterMark
        ):
            waterMark = value
            waterMarkChanged()
        case (_ as ChannelOptions.Types.MaxMessagesPerReadOption, let value as UInt):
            messagesPerRead = Int(clamping: max(1, value))
        case (_ as ChannelOptions.Types.RecvAllocatorOption, let value as any RecvByteBufferAllocator):
            receiveAllocator = value
        case (_ as ChannelOptions.Types.AllocatorOption, let value as ByteBufferAllocator):
            byteBufferAllocator = value
        case (_ as ChannelOptions.Types.WriteSpinOption, _), (_ as ChannelOptions.Types.ConnectTimeoutOption, _):
            // Accepted, as other channels do; they mean nothing here.
            break
        case (let option as ChannelOptions.Types.SocketOption, var value as SocketOptionValue):
            let length = socklen_t(MemoryLayout<SocketOptionValue>.size)
            let status = setsockopt(
                descriptor,
                option.optionLevel.rawValue,
                option.optionName.rawValue,
                &value,
                length
            )
            guard status == 0 else { throw IOError(errnoCode: errno, reason: "setsockopt") }
        default:
            throw ChannelError.operationUnsupported
        }
    }

    private func getOption0<Option: ChannelOption>(_ option: Option) throws -> Option.Value {
        loop.assertInEventLoop()
        guard phase != .closed else { throw ChannelError.ioOnClosedChannel }
        guard let value = try value(of: option) as? Option.Value else { throw ChannelError.operationUnsupported }
        return value
    }

    private func value(of option: any ChannelOption) throws -> Any {
        switch option {
        case _ as ChannelOptions.Types.AutoReadOption: return autoRead
        case _ as ChannelOptions.Types.AllowRemoteHalfClosureOption: return allowsHalfClosure
        case _ as ChannelOptions.Types.WriteBufferWaterMarkOption: return waterMark
        case _ as ChannelOptions.Types.MaxMessagesPerReadOption: return UInt(messagesPerRead)
        case _ as ChannelOptions.Types.RecvAllocatorOption:
            return receiveAllocator ?? FixedSizeRecvByteBufferAllocator(capacity: LoopResources.inputSize)
        case _ as ChannelOptions.Types.AllocatorOption: return byteBufferAllocator
        case _ as ChannelOptions.Types.WriteSpinOption: return UInt(1)
        case _ as ChannelOptions.Types.BufferedWritableBytesOption: return bufferedBytes
        case let option as ChannelOptions.Types.SocketOption:
            var value: SocketOptionValue = 0
            var length = socklen_t(MemoryLayout<SocketOptionValue>.size)
            let status = getsockopt(
                descriptor,
                option.optionLevel.rawValue,
                option.optionName.rawValue,
                &value,
                &length
            )
            guard status == 0 else { throw IOError(errnoCode: errno, reason: "getsockopt") }
            return value
        default:
            throw ChannelError.operationUnsupported
        }
    }
}
#endif

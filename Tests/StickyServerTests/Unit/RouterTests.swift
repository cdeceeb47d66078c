import Testing

@testable import StickyServer

@Suite("Router")
struct RouterTests {
    private func router(slots: Int, key: [UInt8]? = [UInt8](0...15)) -> Router {
        var configuration = RoutingConfiguration()
        configuration.key = key
        return Router(configuration, slots: slots)
    }

    private let peers = (0..<500).map { SocketAddress.ipv4(0x0a00_0000 + UInt32($0), port: 1000) }

    @Test("Routers with the same key agree on every client")
    func sameKey() {
        var (one, other) = (router(slots: 5), router(slots: 5))
        for peer in peers { #expect(one.route(peer) == other.route(peer)) }
    }

    @Test("The key is handed on as it was given")
    func keepsKey() {
        #expect(router(slots: 1).key == [UInt8](0...15))
    }

    @Test("Without a key each router draws its own")
    func randomKey() {
        var (one, other) = (router(slots: 64, key: nil), router(slots: 64, key: nil))
        #expect(one.key.count == 16)
        #expect(one.key != other.key)
        #expect(peers.map { one.route($0).home } != peers.map { other.route($0).home })
    }

    @Test("A client comes back to its slot from every port")
    func sticky() {
        var router = router(slots: 7)
        for peer in peers {
            let first = router.route(peer)
            #expect(first.reason == .address)
            #expect((0..<7).contains(first.home))
            for port: UInt16 in [1, 2, 65_535] { #expect(router.route(peer.with(port: port)) == first) }
        }
    }

    @Test("The client's choice among all slots is its home")
    func homeIsFirstChoice() {
        var router = router(slots: 7)
        for peer in peers {
            let route = router.route(peer)
            #expect(router.choice(for: route.hash) { _ in true } == route.home)
            #expect(router.choice(for: route.hash) { $0 != route.home } != route.home)
        }
    }

    @Test("Peers without an address take exact turns, whoever comes between them")
    func turns() {
        var router = router(slots: 3)
        var homes: [Int] = []
        for peer in peers.prefix(9) {
            let route = router.route(.unix(path: ""))
            #expect(route.reason == .roundRobin)
            homes.append(route.home)
            _ = router.route(peer)
        }
        #expect(homes == [1, 2, 0, 1, 2, 0, 1, 2, 0])
    }

    @Test("A larger router moves clients only to its new slots, and a smaller one moves them back")
    func resize() {
        var router = router(slots: 4)
        let before = peers.map { router.route($0).home }
        router.resize(to: 6)
        #expect(router.slots == 6)
        let during = peers.map { router.route($0).home }
        for (old, new) in zip(before, during) where old != new { #expect(new >= 4) }
        #expect(during.contains(4) && during.contains(5))
        router.resize(to: 4)
        #expect(peers.map { router.route($0).home } == before)
    }

    @Test("Turns stay in range when slots go away")
    func resizeTurns() {
        var router = router(slots: 5)
        for _ in 0..<4 { _ = router.route(.unix(path: "")) }
        router.resize(to: 2)
        let homes = (0..<4).map { _ in router.route(.unix(path: "")).home }
        #expect(homes == [1, 0, 1, 0])
    }

    @Test("Weights hold after a resize")
    func resizeWeights() {
        var configuration = RoutingConfiguration()
        configuration.key = [UInt8](0...15)
        configuration.weights = [1, 1, 1000]
        var resized = Router(configuration, slots: 2)
        resized.resize(to: 3)
        var fresh = Router(configuration, slots: 3)
        let homes = peers.map { resized.route($0).home }
        #expect(homes == peers.map { fresh.route($0).home })
        #expect(homes.count { $0 == 2 } > 480)
    }
}

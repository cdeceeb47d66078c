import Testing

@testable import StickyServer

@Suite("Worker privileges")
struct WorkerPrivilegesTests {
    private func code(_ privileges: WorkerPrivileges, isRoot: Bool) -> StickyServerError.Code? {
        do throws(StickyServerError) {
            try privileges.validate(isRoot: isRoot)
            return nil
        } catch {
            return error.code
        }
    }

    @Test("Root needs a user to become, or permission to stay")
    func root() {
        var privileges = WorkerPrivileges()
        #expect(code(privileges, isRoot: true) == .invalidConfiguration)
        privileges.allowsRoot = true
        #expect(code(privileges, isRoot: true) == nil)
        privileges.allowsRoot = false
        privileges.user = "root"
        #expect(code(privileges, isRoot: true) == nil)
    }

    @Test("A user and a group must exist before anything is opened")
    func names() {
        var privileges = WorkerPrivileges()
        privileges.user = "no such user"
        #expect(code(privileges, isRoot: true) == .invalidConfiguration)
        privileges.allowsRoot = true
        #expect(code(privileges, isRoot: true) == .invalidConfiguration)
        privileges.user = "root"
        privileges.group = "no such group"
        #expect(code(privileges, isRoot: true) == .invalidConfiguration)
    }

    @Test("Anybody else changes nothing and is asked nothing")
    func notRoot() {
        var privileges = WorkerPrivileges()
        #expect(code(privileges, isRoot: false) == nil)
        privileges.user = "no such user"
        #expect(code(privileges, isRoot: false) == nil)
    }
}

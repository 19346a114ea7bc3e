/* As much of an SELinux system as libvirt's driver looks for, on a kernel without one.
 *
 * Preloaded before libselinux. Reading and writing a file's context and taking contexts apart stay
 * with the real library, so that labels are real security.selinux attributes. Only what asks the
 * kernel or a policy is answered here, and what such a kernel says of a file without a label.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DAEMON "system_u:system_r:virtd_t:s0-s0:c0.c1023"
/* What a policy says of a folder of images; seen where a label was not remembered. */
#define POLICY_DEFAULT "system_u:object_r:virt_image_t:s0"
/* What a kernel with SELinux says of a file that has none. */
#define UNLABELLED "system_u:object_r:unlabeled_t:s0"
#define HOME "/usr/lib/qconform/"

static int give(const char *context, char **to)
{
    *to = strdup(context);
    return *to ? 0 : -1;
}

int is_selinux_enabled(void) { return 1; }
int is_selinux_mls_enabled(void) { return 1; }
int security_getenforce(void) { return 0; }
int security_check_context(const char *context) { (void) context; return 0; }
int security_get_boolean_active(const char *name) { (void) name; return 0; }

int getcon(char **context) { return give(DAEMON, context); }
int getcon_raw(char **context) { return give(DAEMON, context); }
int getpidcon_raw(int pid, char **context) { (void) pid; return give(DAEMON, context); }
int getpeercon(int fd, char **context) { (void) fd; return give(DAEMON, context); }
int setexeccon_raw(const char *context) { (void) context; return 0; }
int setsockcreatecon_raw(const char *context) { (void) context; return 0; }

static int or_unlabelled(int result, char **context)
{
    if (result >= 0 || errno != ENODATA)
        return result;
    return give(UNLABELLED, context) ? -1 : (int) sizeof(UNLABELLED);
}

#define NEXT(function) ((__typeof__(&function)) dlsym(RTLD_NEXT, #function))

int getfilecon(const char *path, char **context)
{
    return or_unlabelled(NEXT(getfilecon)(path, context), context);
}

int getfilecon_raw(const char *path, char **context)
{
    return or_unlabelled(NEXT(getfilecon_raw)(path, context), context);
}

int fgetfilecon_raw(int fd, char **context)
{
    return or_unlabelled(NEXT(fgetfilecon_raw)(fd, context), context);
}

unsigned short string_to_security_class(const char *name) { (void) name; return 1; }
int security_compute_create(const char *from, const char *to, unsigned short class, char **context)
{
    (void) from;
    (void) class;
    return give(to, context);
}

const char *selinux_virtual_domain_context_path(void) { return HOME "virtual_domain_context"; }
const char *selinux_virtual_image_context_path(void) { return HOME "virtual_image_context"; }

struct selabel_handle;
struct selinux_opt;

struct selabel_handle *selabel_open(unsigned backend, const struct selinux_opt *options, unsigned count)
{
    static char handle;
    (void) backend;
    (void) options;
    (void) count;
    return (struct selabel_handle *) &handle;
}

void selabel_close(struct selabel_handle *handle) { (void) handle; }

int selabel_lookup_raw(struct selabel_handle *handle, char **context, const char *path, int mode)
{
    (void) handle;
    (void) path;
    (void) mode;
    return give(POLICY_DEFAULT, context);
}

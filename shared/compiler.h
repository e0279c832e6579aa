/* What the compiler is told about prototypes, so that contracts are checked and not only written down. */
#ifndef SHARED_COMPILER_H
#define SHARED_COMPILER_H

#define ATTR_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#define ATTR_UNUSED_RESULT __attribute__((warn_unused_result))
#define ATTR_NONNULL(...) __attribute__((nonnull(__VA_ARGS__)))
#define ATTR_PURE __attribute__((pure))
#define ATTR_NORETURN __attribute__((noreturn))

/* Runs fn(&variable) when the variable leaves scope. */
#define CLEANUP(fn) __attribute__((cleanup(fn)))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif

/*
 * guc.h
 *	  The settings of trident: their variables, and the one call that
 *	  defines them.
 *
 * A setting is read anywhere and assigned only by guc.c.  Its name carries
 * its capability: trident.<capability>_<noun>.
 */
#ifndef TRIDENT_BASE_GUC_H
#define TRIDENT_BASE_GUC_H

/* trident.simd: which kernels to use; the values of TridentSimdLevel + auto. */
extern int	trident_base_simd;

/* trident.search_filter_extensions: names, separated by commas. */
extern char *trident_base_search_filter_extensions;

/* trident.search_max_k: the largest k that trident_search accepts. */
extern int	trident_base_search_max_k;

/*
 * Called when trident.simd changes, with the new value.  base knows no other
 * folder, so trident.c points this at simd before the settings are defined.
 */
typedef void (*TridentBaseSimdAssign) (int level);

extern void trident_base_guc_init(TridentBaseSimdAssign simd_assign);

#endif							/* TRIDENT_BASE_GUC_H */

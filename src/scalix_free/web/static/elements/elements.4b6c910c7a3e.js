/*! Scalix Free: web elements. MIT. */
"use strict";(()=>{/**
 * @license
 * Copyright 2019 Google LLC
 * SPDX-License-Identifier: BSD-3-Clause
 */var J=globalThis,X=J.ShadowRoot&&(J.ShadyCSS===void 0||J.ShadyCSS.nativeShadow)&&"adoptedStyleSheets"in Document.prototype&&"replace"in CSSStyleSheet.prototype,me=Symbol(),De=new WeakMap,N=class{constructor(e,t,s){if(this._$cssResult$=!0,s!==me)throw Error("CSSResult is not constructable. Use `unsafeCSS` or `css` instead.");this.cssText=e,this.t=t}get styleSheet(){let e=this.o,t=this.t;if(X&&e===void 0){let s=t!==void 0&&t.length===1;s&&(e=De.get(t)),e===void 0&&((this.o=e=new CSSStyleSheet).replaceSync(this.cssText),s&&De.set(t,e))}return e}toString(){return this.cssText}},Ne=r=>new N(typeof r=="string"?r:r+"",void 0,me),f=(r,...e)=>{let t=r.length===1?r[0]:e.reduce((s,i,n)=>s+(o=>{if(o._$cssResult$===!0)return o.cssText;if(typeof o=="number")return o;throw Error("Value passed to 'css' function must be a 'css' function result: "+o+". Use 'unsafeCSS' to pass non-literal values, but take care to ensure page security.")})(i)+r[n+1],r[0]);return new N(t,r,me)},qe=(r,e)=>{if(X)r.adoptedStyleSheets=e.map(t=>t instanceof CSSStyleSheet?t:t.styleSheet);else for(let t of e){let s=document.createElement("style"),i=J.litNonce;i!==void 0&&s.setAttribute("nonce",i),s.textContent=t.cssText,r.appendChild(s)}},fe=X?r=>r:r=>r instanceof CSSStyleSheet?(e=>{let t="";for(let s of e.cssRules)t+=s.cssText;return Ne(t)})(r):r;/**
 * @license
 * Copyright 2017 Google LLC
 * SPDX-License-Identifier: BSD-3-Clause
 */var{is:At,defineProperty:Tt,getOwnPropertyDescriptor:Et,getOwnPropertyNames:kt,getOwnPropertySymbols:Rt,getPrototypeOf:Mt}=Object,Z=globalThis,He=Z.trustedTypes,Pt=He?He.emptyScript:"",Ut=Z.reactiveElementPolyfillSupport,q=(r,e)=>r,ge={toAttribute(r,e){switch(e){case Boolean:r=r?Pt:null;break;case Object:case Array:r=r==null?r:JSON.stringify(r)}return r},fromAttribute(r,e){let t=r;switch(e){case Boolean:t=r!==null;break;case Number:t=r===null?null:Number(r);break;case Object:case Array:try{t=JSON.parse(r)}catch{t=null}}return t}},ze=(r,e)=>!At(r,e),We={attribute:!0,type:String,converter:ge,reflect:!1,useDefault:!1,hasChanged:ze};Symbol.metadata??=Symbol("metadata"),Z.litPropertyMetadata??=new WeakMap;var y=class extends HTMLElement{static addInitializer(e){this._$Ei(),(this.l??=[]).push(e)}static get observedAttributes(){return this.finalize(),this._$Eh&&[...this._$Eh.keys()]}static createProperty(e,t=We){if(t.state&&(t.attribute=!1),this._$Ei(),this.prototype.hasOwnProperty(e)&&((t=Object.create(t)).wrapped=!0),this.elementProperties.set(e,t),!t.noAccessor){let s=Symbol(),i=this.getPropertyDescriptor(e,s,t);i!==void 0&&Tt(this.prototype,e,i)}}static getPropertyDescriptor(e,t,s){let{get:i,set:n}=Et(this.prototype,e)??{get(){return this[t]},set(o){this[t]=o}};return{get:i,set(o){let u=i?.call(this);n?.call(this,o),this.requestUpdate(e,u,s)},configurable:!0,enumerable:!0}}static getPropertyOptions(e){return this.elementProperties.get(e)??We}static _$Ei(){if(this.hasOwnProperty(q("elementProperties")))return;let e=Mt(this);e.finalize(),e.l!==void 0&&(this.l=[...e.l]),this.elementProperties=new Map(e.elementProperties)}static finalize(){if(this.hasOwnProperty(q("finalized")))return;if(this.finalized=!0,this._$Ei(),this.hasOwnProperty(q("properties"))){let t=this.properties,s=[...kt(t),...Rt(t)];for(let i of s)this.createProperty(i,t[i])}let e=this[Symbol.metadata];if(e!==null){let t=litPropertyMetadata.get(e);if(t!==void 0)for(let[s,i]of t)this.elementProperties.set(s,i)}this._$Eh=new Map;for(let[t,s]of this.elementProperties){let i=this._$Eu(t,s);i!==void 0&&this._$Eh.set(i,t)}this.elementStyles=this.finalizeStyles(this.styles)}static finalizeStyles(e){let t=[];if(Array.isArray(e)){let s=new Set(e.flat(1/0).reverse());for(let i of s)t.unshift(fe(i))}else e!==void 0&&t.push(fe(e));return t}static _$Eu(e,t){let s=t.attribute;return s===!1?void 0:typeof s=="string"?s:typeof e=="string"?e.toLowerCase():void 0}constructor(){super(),this._$Ep=void 0,this.isUpdatePending=!1,this.hasUpdated=!1,this._$Em=null,this._$Ev()}_$Ev(){this._$ES=new Promise(e=>this.enableUpdating=e),this._$AL=new Map,this._$E_(),this.requestUpdate(),this.constructor.l?.forEach(e=>e(this))}addController(e){(this._$EO??=new Set).add(e),this.renderRoot!==void 0&&this.isConnected&&e.hostConnected?.()}removeController(e){this._$EO?.delete(e)}_$E_(){let e=new Map,t=this.constructor.elementProperties;for(let s of t.keys())this.hasOwnProperty(s)&&(e.set(s,this[s]),delete this[s]);e.size>0&&(this._$Ep=e)}createRenderRoot(){let e=this.shadowRoot??this.attachShadow(this.constructor.shadowRootOptions);return qe(e,this.constructor.elementStyles),e}connectedCallback(){this.renderRoot??=this.createRenderRoot(),this.enableUpdating(!0),this._$EO?.forEach(e=>e.hostConnected?.())}enableUpdating(e){}disconnectedCallback(){this._$EO?.forEach(e=>e.hostDisconnected?.())}attributeChangedCallback(e,t,s){this._$AK(e,s)}_$ET(e,t){let s=this.constructor.elementProperties.get(e),i=this.constructor._$Eu(e,s);if(i!==void 0&&s.reflect===!0){let n=(s.converter?.toAttribute!==void 0?s.converter:ge).toAttribute(t,s.type);this._$Em=e,n==null?this.removeAttribute(i):this.setAttribute(i,n),this._$Em=null}}_$AK(e,t){let s=this.constructor,i=s._$Eh.get(e);if(i!==void 0&&this._$Em!==i){let n=s.getPropertyOptions(i),o=typeof n.converter=="function"?{fromAttribute:n.converter}:n.converter?.fromAttribute!==void 0?n.converter:ge;this._$Em=i;let u=o.fromAttribute(t,n.type);this[i]=u??this._$Ej?.get(i)??u,this._$Em=null}}requestUpdate(e,t,s,i=!1,n){if(e!==void 0){let o=this.constructor;if(i===!1&&(n=this[e]),s??=o.getPropertyOptions(e),!((s.hasChanged??ze)(n,t)||s.useDefault&&s.reflect&&n===this._$Ej?.get(e)&&!this.hasAttribute(o._$Eu(e,s))))return;this.C(e,t,s)}this.isUpdatePending===!1&&(this._$ES=this._$EP())}C(e,t,{useDefault:s,reflect:i,wrapped:n},o){s&&!(this._$Ej??=new Map).has(e)&&(this._$Ej.set(e,o??t??this[e]),n!==!0||o!==void 0)||(this._$AL.has(e)||(this.hasUpdated||s||(t=void 0),this._$AL.set(e,t)),i===!0&&this._$Em!==e&&(this._$Eq??=new Set).add(e))}async _$EP(){this.isUpdatePending=!0;try{await this._$ES}catch(t){Promise.reject(t)}let e=this.scheduleUpdate();return e!=null&&await e,!this.isUpdatePending}scheduleUpdate(){return this.performUpdate()}performUpdate(){if(!this.isUpdatePending)return;if(!this.hasUpdated){if(this.renderRoot??=this.createRenderRoot(),this._$Ep){for(let[i,n]of this._$Ep)this[i]=n;this._$Ep=void 0}let s=this.constructor.elementProperties;if(s.size>0)for(let[i,n]of s){let{wrapped:o}=n,u=this[i];o!==!0||this._$AL.has(i)||u===void 0||this.C(i,void 0,n,u)}}let e=!1,t=this._$AL;try{e=this.shouldUpdate(t),e?(this.willUpdate(t),this._$EO?.forEach(s=>s.hostUpdate?.()),this.update(t)):this._$EM()}catch(s){throw e=!1,this._$EM(),s}e&&this._$AE(t)}willUpdate(e){}_$AE(e){this._$EO?.forEach(t=>t.hostUpdated?.()),this.hasUpdated||(this.hasUpdated=!0,this.firstUpdated(e)),this.updated(e)}_$EM(){this._$AL=new Map,this.isUpdatePending=!1}get updateComplete(){return this.getUpdateComplete()}getUpdateComplete(){return this._$ES}shouldUpdate(e){return!0}update(e){this._$Eq&&=this._$Eq.forEach(t=>this._$ET(t,this[t])),this._$EM()}updated(e){}firstUpdated(e){}};y.elementStyles=[],y.shadowRootOptions={mode:"open"},y[q("elementProperties")]=new Map,y[q("finalized")]=new Map,Ut?.({ReactiveElement:y}),(Z.reactiveElementVersions??=[]).push("2.1.2");/**
 * @license
 * Copyright 2017 Google LLC
 * SPDX-License-Identifier: BSD-3-Clause
 */var we=globalThis,je=r=>r,ee=we.trustedTypes,Fe=ee?ee.createPolicy("lit-html",{createHTML:r=>r}):void 0,Ke="$lit$",x=`lit$${Math.random().toFixed(9).slice(2)}$`,Je="?"+x,Ot=`<${Je}>`,T=document,W=()=>T.createComment(""),z=r=>r===null||typeof r!="object"&&typeof r!="function",Se=Array.isArray,Lt=r=>Se(r)||typeof r?.[Symbol.iterator]=="function",be=`[ 	
\f\r]`,H=/<(?:(!--|\/[^a-zA-Z])|(\/?[a-zA-Z][^>\s]*)|(\/?$))/g,Be=/-->/g,Ge=/>/g,S=RegExp(`>|${be}(?:([^\\s"'>=/]+)(${be}*=${be}*(?:[^ 	
\f\r"'\`<>=]|("|')|))|$)`,"g"),Ve=/'/g,Qe=/"/g,Xe=/^(?:script|style|textarea|title)$/i,Ae=r=>(e,...t)=>({_$litType$:r,strings:e,values:t}),l=Ae(1),Ze=Ae(2),hr=Ae(3),E=Symbol.for("lit-noChange"),a=Symbol.for("lit-nothing"),Ye=new WeakMap,A=T.createTreeWalker(T,129);function et(r,e){if(!Se(r)||!r.hasOwnProperty("raw"))throw Error("invalid template strings array");return Fe!==void 0?Fe.createHTML(e):e}var It=(r,e)=>{let t=r.length-1,s=[],i,n=e===2?"<svg>":e===3?"<math>":"",o=H;for(let u=0;u<t;u++){let d=r[u],h,p,c=-1,v=0;for(;v<d.length&&(o.lastIndex=v,p=o.exec(d),p!==null);)v=o.lastIndex,o===H?p[1]==="!--"?o=Be:p[1]!==void 0?o=Ge:p[2]!==void 0?(Xe.test(p[2])&&(i=RegExp("</"+p[2],"g")),o=S):p[3]!==void 0&&(o=S):o===S?p[0]===">"?(o=i??H,c=-1):p[1]===void 0?c=-2:(c=o.lastIndex-p[2].length,h=p[1],o=p[3]===void 0?S:p[3]==='"'?Qe:Ve):o===Qe||o===Ve?o=S:o===Be||o===Ge?o=H:(o=S,i=void 0);let _=o===S&&r[u+1].startsWith("/>")?" ":"";n+=o===H?d+Ot:c>=0?(s.push(h),d.slice(0,c)+Ke+d.slice(c)+x+_):d+x+(c===-2?u:_)}return[et(r,n+(r[t]||"<?>")+(e===2?"</svg>":e===3?"</math>":"")),s]},j=class r{constructor({strings:e,_$litType$:t},s){let i;this.parts=[];let n=0,o=0,u=e.length-1,d=this.parts,[h,p]=It(e,t);if(this.el=r.createElement(h,s),A.currentNode=this.el.content,t===2||t===3){let c=this.el.content.firstChild;c.replaceWith(...c.childNodes)}for(;(i=A.nextNode())!==null&&d.length<u;){if(i.nodeType===1){if(i.hasAttributes())for(let c of i.getAttributeNames())if(c.endsWith(Ke)){let v=p[o++],_=i.getAttribute(c).split(x),K=/([.?@])?(.*)/.exec(v);d.push({type:1,index:n,name:K[2],strings:_,ctor:K[1]==="."?ye:K[1]==="?"?$e:K[1]==="@"?_e:R}),i.removeAttribute(c)}else c.startsWith(x)&&(d.push({type:6,index:n}),i.removeAttribute(c));if(Xe.test(i.tagName)){let c=i.textContent.split(x),v=c.length-1;if(v>0){i.textContent=ee?ee.emptyScript:"";for(let _=0;_<v;_++)i.append(c[_],W()),A.nextNode(),d.push({type:2,index:++n});i.append(c[v],W())}}}else if(i.nodeType===8)if(i.data===Je)d.push({type:2,index:n});else{let c=-1;for(;(c=i.data.indexOf(x,c+1))!==-1;)d.push({type:7,index:n}),c+=x.length-1}n++}}static createElement(e,t){let s=T.createElement("template");return s.innerHTML=e,s}};function k(r,e,t=r,s){if(e===E)return e;let i=s!==void 0?t._$Co?.[s]:t._$Cl,n=z(e)?void 0:e._$litDirective$;return i?.constructor!==n&&(i?._$AO?.(!1),n===void 0?i=void 0:(i=new n(r),i._$AT(r,t,s)),s!==void 0?(t._$Co??=[])[s]=i:t._$Cl=i),i!==void 0&&(e=k(r,i._$AS(r,e.values),i,s)),e}var ve=class{constructor(e,t){this._$AV=[],this._$AN=void 0,this._$AD=e,this._$AM=t}get parentNode(){return this._$AM.parentNode}get _$AU(){return this._$AM._$AU}u(e){let{el:{content:t},parts:s}=this._$AD,i=(e?.creationScope??T).importNode(t,!0);A.currentNode=i;let n=A.nextNode(),o=0,u=0,d=s[0];for(;d!==void 0;){if(o===d.index){let h;d.type===2?h=new F(n,n.nextSibling,this,e):d.type===1?h=new d.ctor(n,d.name,d.strings,this,e):d.type===6&&(h=new xe(n,this,e)),this._$AV.push(h),d=s[++u]}o!==d?.index&&(n=A.nextNode(),o++)}return A.currentNode=T,i}p(e){let t=0;for(let s of this._$AV)s!==void 0&&(s.strings!==void 0?(s._$AI(e,s,t),t+=s.strings.length-2):s._$AI(e[t])),t++}},F=class r{get _$AU(){return this._$AM?._$AU??this._$Cv}constructor(e,t,s,i){this.type=2,this._$AH=a,this._$AN=void 0,this._$AA=e,this._$AB=t,this._$AM=s,this.options=i,this._$Cv=i?.isConnected??!0}get parentNode(){let e=this._$AA.parentNode,t=this._$AM;return t!==void 0&&e?.nodeType===11&&(e=t.parentNode),e}get startNode(){return this._$AA}get endNode(){return this._$AB}_$AI(e,t=this){e=k(this,e,t),z(e)?e===a||e==null||e===""?(this._$AH!==a&&this._$AR(),this._$AH=a):e!==this._$AH&&e!==E&&this._(e):e._$litType$!==void 0?this.$(e):e.nodeType!==void 0?this.T(e):Lt(e)?this.k(e):this._(e)}O(e){return this._$AA.parentNode.insertBefore(e,this._$AB)}T(e){this._$AH!==e&&(this._$AR(),this._$AH=this.O(e))}_(e){this._$AH!==a&&z(this._$AH)?this._$AA.nextSibling.data=e:this.T(T.createTextNode(e)),this._$AH=e}$(e){let{values:t,_$litType$:s}=e,i=typeof s=="number"?this._$AC(e):(s.el===void 0&&(s.el=j.createElement(et(s.h,s.h[0]),this.options)),s);if(this._$AH?._$AD===i)this._$AH.p(t);else{let n=new ve(i,this),o=n.u(this.options);n.p(t),this.T(o),this._$AH=n}}_$AC(e){let t=Ye.get(e.strings);return t===void 0&&Ye.set(e.strings,t=new j(e)),t}k(e){Se(this._$AH)||(this._$AH=[],this._$AR());let t=this._$AH,s,i=0;for(let n of e)i===t.length?t.push(s=new r(this.O(W()),this.O(W()),this,this.options)):s=t[i],s._$AI(n),i++;i<t.length&&(this._$AR(s&&s._$AB.nextSibling,i),t.length=i)}_$AR(e=this._$AA.nextSibling,t){for(this._$AP?.(!1,!0,t);e!==this._$AB;){let s=je(e).nextSibling;je(e).remove(),e=s}}setConnected(e){this._$AM===void 0&&(this._$Cv=e,this._$AP?.(e))}},R=class{get tagName(){return this.element.tagName}get _$AU(){return this._$AM._$AU}constructor(e,t,s,i,n){this.type=1,this._$AH=a,this._$AN=void 0,this.element=e,this.name=t,this._$AM=i,this.options=n,s.length>2||s[0]!==""||s[1]!==""?(this._$AH=Array(s.length-1).fill(new String),this.strings=s):this._$AH=a}_$AI(e,t=this,s,i){let n=this.strings,o=!1;if(n===void 0)e=k(this,e,t,0),o=!z(e)||e!==this._$AH&&e!==E,o&&(this._$AH=e);else{let u=e,d,h;for(e=n[0],d=0;d<n.length-1;d++)h=k(this,u[s+d],t,d),h===E&&(h=this._$AH[d]),o||=!z(h)||h!==this._$AH[d],h===a?e=a:e!==a&&(e+=(h??"")+n[d+1]),this._$AH[d]=h}o&&!i&&this.j(e)}j(e){e===a?this.element.removeAttribute(this.name):this.element.setAttribute(this.name,e??"")}},ye=class extends R{constructor(){super(...arguments),this.type=3}j(e){this.element[this.name]=e===a?void 0:e}},$e=class extends R{constructor(){super(...arguments),this.type=4}j(e){this.element.toggleAttribute(this.name,!!e&&e!==a)}},_e=class extends R{constructor(e,t,s,i,n){super(e,t,s,i,n),this.type=5}_$AI(e,t=this){if((e=k(this,e,t,0)??a)===E)return;let s=this._$AH,i=e===a&&s!==a||e.capture!==s.capture||e.once!==s.once||e.passive!==s.passive,n=e!==a&&(s===a||i);i&&this.element.removeEventListener(this.name,this,s),n&&this.element.addEventListener(this.name,this,e),this._$AH=e}handleEvent(e){typeof this._$AH=="function"?this._$AH.call(this.options?.host??this.element,e):this._$AH.handleEvent(e)}},xe=class{constructor(e,t,s){this.element=e,this.type=6,this._$AN=void 0,this._$AM=t,this.options=s}get _$AU(){return this._$AM._$AU}_$AI(e){k(this,e)}};var Ct=we.litHtmlPolyfillSupport;Ct?.(j,F),(we.litHtmlVersions??=[]).push("3.3.3");var tt=(r,e,t)=>{let s=t?.renderBefore??e,i=s._$litPart$;if(i===void 0){let n=t?.renderBefore??null;s._$litPart$=i=new F(e.insertBefore(W(),n),n,void 0,t??{})}return i._$AI(r),i};/**
 * @license
 * Copyright 2017 Google LLC
 * SPDX-License-Identifier: BSD-3-Clause
 */var Te=globalThis,w=class extends y{constructor(){super(...arguments),this.renderOptions={host:this},this._$Do=void 0}createRenderRoot(){let e=super.createRenderRoot();return this.renderOptions.renderBefore??=e.firstChild,e}update(e){let t=this.render();this.hasUpdated||(this.renderOptions.isConnected=this.isConnected),super.update(e),this._$Do=tt(t,this.renderRoot,this.renderOptions)}connectedCallback(){super.connectedCallback(),this._$Do?.setConnected(!0)}disconnectedCallback(){super.disconnectedCallback(),this._$Do?.setConnected(!1)}render(){return E}};w._$litElement$=!0,w.finalized=!0,Te.litElementHydrateSupport?.({LitElement:w});var Dt=Te.litElementPolyfillSupport;Dt?.({LitElement:w});(Te.litElementVersions??=[]).push("4.2.2");/**
 * @license
 * Copyright 2022 Google LLC
 * SPDX-License-Identifier: BSD-3-Clause
 */var rt="scalix-free.";function st(r){try{return localStorage.getItem(rt+r)}catch{return null}}function it(r,e){try{localStorage.setItem(rt+r,e)}catch{}}var Ee={FIRST_REQUEST:"Welcome! Try Scalix Free",NEAR_LIMIT:"Almost out of free requests",AT_LIMIT:"Upgrade to continue using Scalix",QUALITY_ISSUE:"Get better responses with Pro"},ot={FIRST_REQUEST:"FIRST_REQUEST",NEAR_LIMIT:"NEAR_LIMIT",AT_LIMIT:"LIMIT_EXCEEDED",QUALITY_ISSUE:"QUALITY_UPGRADE"};function at(r,e){return e?.texts?.[r]??Ee[r]}var lt=864e5,Nt=7*lt,nt={greeted:!1,warned:{},qualityDay:-1,dismissedMs:-1/0};function qt(r,e){let{trigger:t,nowMs:s}=e;switch(t){case"AT_LIMIT":return r;case"FIRST_REQUEST":return r.greeted?null:{...r,greeted:!0};case"NEAR_LIMIT":{let i=e.window??"";if(ke(r,s)||(r.warned[i]??0)>s)return null;let n=Math.max(e.resetMs??0,s+6e4);return{...r,warned:{...r.warned,[i]:n}}}case"QUALITY_ISSUE":{let i=Math.floor(s/lt);return r.qualityDay===i?null:{...r,qualityDay:i}}}}function ke(r,e){return e-r.dismissedMs<Nt}function te(r,e){return{...r,dismissedMs:e}}var dt="prompts";function M(){try{let r=JSON.parse(st(dt)??"{}");return{...nt,...r,dismissedMs:r.dismissedMs??-1/0}}catch{return nt}}function B(r){it(dt,JSON.stringify(r))}function re(r){let e=qt(M(),r);return e===null?!1:(B(e),!0)}var P=class extends Error{constructor(e,t){super(t.message),this.name="Refused",this.status=e,this.error=t}},Ht="offline",$="/api/v1/free",se=class{#s;#r;constructor(e,t=null){this.#s=e.replace(/\/+$/,""),this.#r=t}limits(){return this.#e("GET",`${$}/limits`)}usage(e){return this.#e("GET",`${$}/usage?days=${e}`)}offer(e,t={}){let s=new URLSearchParams({interval:e});return t.trigger!==void 0&&s.set("trigger",t.trigger),t.plain===!0&&s.set("plain","true"),this.#e("GET",`${$}/offer?${s}`)}checkout(e,t){return this.#e("POST",`${$}/checkout`,{plan:e,interval:t})}lead(e,t){return this.#e("POST",`${$}/leads`,{email:e,consent:!0,source:t})}register(e){return this.#e("POST",`${$}/register`,{email:e})}rate(e,t,s){let i=s===void 0?{}:{comment:s};return this.#e("POST",`${$}/feedback`,{request_id:e,rating:t,...i})}session(){return this.#e("POST",`${$}/session`)}tell(e){let t={...this.#t("POST",e),keepalive:e.action==="click"};fetch(`${this.#s}${$}/events`,t).then(s=>s.text()).catch(()=>{})}complete(e,t,s){let i=this.#t("POST",e),n={...i.headers,...t};return this.#i("/v1/chat/completions",{...i,headers:n,signal:s})}async#e(e,t,s){let i=await this.#i(t,this.#t(e,s));return i.status===204?null:await i.json().catch(()=>null)}#t(e,t){let s={};t!==void 0&&(s["content-type"]="application/json"),this.#r!==null&&(s.authorization=`Bearer ${this.#r}`);let i={method:e,headers:s,credentials:"same-origin"};return t===void 0?i:{...i,body:JSON.stringify(t)}}async#i(e,t){let s;try{s=await fetch(this.#s+e,t)}catch(i){throw i instanceof DOMException&&i.name==="AbortError"?i:new P(0,{message:"The service cannot be reached. Check your connection and try again.",code:Ht,retryable:!0})}if(s.ok)return s;throw new P(s.status,await Wt(s))}};async function Wt(r){try{let{error:e}=await r.json();if(typeof e?.message=="string")return e}catch{}return{message:`The service answered ${r.status}. Try again in a moment.`,code:null}}var b=f`
  :host {
    --_surface: var(--sx-surface, light-dark(#ffffff, #161a2e));
    --_inset: var(--sx-inset, light-dark(#f0f2f9, #1d2139));
    --_text: var(--sx-text, light-dark(#161a2c, #eceefa));
    --_muted: var(--sx-muted, light-dark(#545a73, #aab0cc));
    --_line: var(--sx-line, light-dark(#dde1ed, #2d3254));
    --_edge: var(--sx-edge, light-dark(#7d849d, #7d84aa));
    --_accent: var(--sx-accent, light-dark(#4a44d4, #a9adff));
    --_accent-text: var(--sx-accent-text, light-dark(#ffffff, #13152c));
    --_accent-soft: var(--sx-accent-soft, light-dark(#ecebfd, #252a52));
    --_gradient: var(--sx-gradient, none);
    --_ok: var(--sx-ok, light-dark(#13703f, #74d9a3));
    --_amber: var(--sx-warn, light-dark(#7f4d00, #f2c06a));
    --_amber-soft: var(--sx-warn-soft, light-dark(#fdf1da, #342810));
    --_red: var(--sx-danger, light-dark(#ad1f2d, #ff9ea6));
    --_red-soft: var(--sx-danger-soft, light-dark(#fde9ea, #3a171c));
    --_radius: var(--sx-radius, 0.75rem);
    --_radius-small: var(--sx-radius-small, 0.5rem);
    --_target: var(--sx-target, 2.75rem);
    --_small: var(--sx-small, 0.875rem);
    --_mono: var(--sx-mono, ui-monospace, "SF Mono", Menlo, Consolas, monospace);
    display: block;
    color: var(--_text);
    font: var(--sx-base, 1rem) / 1.6 var(--sx-font, system-ui, sans-serif);
    text-align: start;
  }
  :host([hidden]) { display: none; }
  *, ::before, ::after { box-sizing: border-box; }
  h2, h3, p, ul, dl, dd { margin: 0; }
  ul { padding: 0; list-style: none; }
  button, input, textarea, select { font: inherit; color: inherit; }
  button {
    min-height: var(--_target);
    padding: 0.5rem 1.1rem;
    border: 1px solid var(--_edge);
    border-radius: var(--_radius-small);
    background: var(--_surface);
    font-weight: 550;
    cursor: pointer;
  }
  button:hover:not(:disabled) { background: var(--_inset); }
  button:disabled { opacity: 0.55; cursor: default; }
  button.primary {
    border-color: transparent;
    background: var(--_accent) var(--_gradient);
    color: var(--_accent-text);
  }
  button.primary:hover:not(:disabled) { background: var(--_accent) var(--_gradient); filter: brightness(1.06); }
  button.quiet { border-color: transparent; background: none; color: var(--_muted); font-weight: inherit; padding-inline: 0.5rem; }
  a { color: var(--_accent); }
  :focus-visible { outline: 3px solid var(--_accent); outline-offset: 2px; }
  .card {
    padding: 1.25rem;
    border: 1px solid var(--_line);
    border-radius: var(--_radius);
    background: var(--_surface);
  }
  .muted { color: var(--_muted); }
  .spoken {
    position: absolute;
    width: 1px;
    height: 1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
  progress {
    --_fill: var(--_ok);
    appearance: none;
    display: block;
    width: 100%;
    height: 0.5rem;
    border: 0;
    border-radius: 1rem;
    overflow: hidden;
    background: var(--_line);
  }
  progress::-webkit-progress-bar { background: var(--_line); }
  progress::-webkit-progress-value { background: var(--_fill); border-radius: 1rem; }
  progress::-moz-progress-bar { background: var(--_fill); border-radius: 1rem; }
  progress.amber { --_fill: var(--_amber); }
  progress.red { --_fill: var(--_red); }
  @media (forced-colors: active) {
    .card, progress { border: 1px solid CanvasText; }
    button { border-color: ButtonText; }
    progress { --_fill: Highlight; forced-color-adjust: none; }
  }
  @media print { button, form { display: none !important; } }
  @media (prefers-reduced-motion: reduce) {
    *, ::before, ::after { animation: none !important; transition: none !important; }
  }
`;var Re="scalix-changed",g=class extends w{static{this.styles=[b]}static{this.properties={baseUrl:{attribute:"base-url"},token:{attribute:!1},data:{attribute:!1},upgradeUrl:{attribute:"upgrade-url"}}}constructor(){super(),this.baseUrl=null,this.token=null,this.data=null,this.upgradeUrl="/upgrade"}get service(){return this.baseUrl===null?null:new se(this.baseUrl,this.token)}fallback(){return l`<slot></slot>`}emit(e,t){return this.dispatchEvent(new CustomEvent(e,{detail:t,bubbles:!0,composed:!0,cancelable:!0}))}upgrade(e,t){this.record({trigger:e??"NONE",action:"click",message_id:t}),this.emit("scalix-upgrade",{trigger:e,message_id:t})&&this.baseUrl!==null&&location.assign(new URL(this.upgradeUrl,new URL(this.baseUrl,location.href)))}record(e){this.emit("scalix-prompt",e),e.trigger!=="NONE"&&this.service?.tell(e)}};function G(r,e){customElements.get(r)===void 0&&customElements.define(r,e)}function V(r,e){return r===null?a:l`<time datetime=${r}>${e}</time>`}function m(r){return Math.round(r).toLocaleString("en-US")}function Q(r,e){return`${m(r)} ${e}${r===1?"":"s"}`}function ct(r){return r.limit===null?m(r.used):`${m(r.used)}/${m(r.limit)}`}function Y(r,e){let t=new Date(r);if(Number.isNaN(t.valueOf()))return"N/A";let s=t.toLocaleTimeString([],{hour:"2-digit",minute:"2-digit"});return t.toDateString()===e.toDateString()?s:`${t.toLocaleDateString([],{weekday:"short",day:"numeric",month:"short"})}, ${s}`}function Me(r,e){let t=Math.ceil((new Date(r).valueOf()-e.valueOf())/1e3);if(!(t>0))return"now";if(t<60)return`in ${t} s`;let s=Math.ceil(t/60);if(s<60)return`in ${s} min`;let i=Math.floor(s/60);return i<48?s%60===0?`in ${i} h`:`in ${i} h ${s%60} min`:`in ${Math.ceil(i/24)} days`}var zt={requests_hour:"Requests This Hour",requests_day:"Requests Today",tokens_day:"Tokens Used",concurrent:"At The Same Time"};function ut(r){return zt[r.name]??r.name.replaceAll("_"," ")}function ie(r){let{remaining:e,limit:t}=r,s=t===null?"":` of ${m(t)}`,i=r.unit==="tokens"?" tokens":"",n=r.name==="requests_hour"?" this hour":r.name.endsWith("_day")?" today":"";return`${m(e??0)}${s}${i} left${n}`}function ht(r){return r<100?`${Math.round(r)} ms`:`${(r/1e3).toFixed(1)} s`}function U(r,e){let s={USD:"$",EUR:"€",GBP:"£"}[e.toUpperCase()];return s===void 0?`${r} ${e.toUpperCase()}`:`${s}${r}`}function pt(r){return r.tier==="pro"?"Pro":"🚀 Free Tier"}function mt(r){return r.remaining===null?"Requests: Included":`${r.remaining} ${r.remaining===1?"request":"requests"} remaining today`}function ft(r){let e=r.tighter??(r.empty||r.near?r.day:null);if(e===null)return a;let{resets_at:t}=e;if(r.tighter===null&&t===null)return a;let s=t===null?a:l`next at ${V(t,Y(t,new Date))}`,i=r.tighter===null?a:`${ie(e)}${t===null?"":", "}`;return l`<span class="muted" part="window">${i}${s}</span>`}function O(r){return r.empty?"AT_LIMIT":r.near?"NEAR_LIMIT":null}function Pe(r){if(r==null)return{};if("limits"in r||"usage"in r||"offer"in r)return r;let e=r;return"days"in r?{limits:e,usage:r}:{limits:e}}function bt(r){return Pe(r).usage??null}function C(r){return Pe(r).offer??null}function ne(r){let{limits:e}=Pe(r);return e===void 0?null:"tier"in e?jt(e):Ft(e)}function jt(r){let{windows:e}=r,t=I(e,"requests_day");return vt(e,{tier:r.tier,binding:r.binding,remaining:t===null?r.remaining_requests:t.remaining,near:r.near_limit,resetAt:r.reset_time})}function Ft(r){let e=r.windows??Bt(r);return vt(e,{tier:null,binding:null,remaining:r.remainingRequests??I(e,"requests_day")?.remaining??null,near:r.nearLimit??!1,resetAt:yt(r.resetTime)})}function Bt(r){let e=yt(r.resetTime),t=(s,i,n,o)=>({name:s,unit:i,used:n,limit:o??null,remaining:o==null?null:Math.max(0,o-n),resets_at:e});return[t("requests_day","requests",r.requestsToday??0,r.requestsLimit),t("tokens_day","tokens",r.tokensUsed??0,r.tokensLimit)]}function vt(r,e){let t=r.filter(s=>s.unit!=="calls"&&s.limit!==null);return{tier:e.tier,windows:r,day:I(r,"requests_day"),tokens:I(r,"tokens_day"),remaining:e.remaining,near:e.near,empty:e.remaining===0||t.some(s=>s.remaining===0),resetAt:e.resetAt,tighter:Gt(t,e.binding),level:Ue(Math.max(0,...t.map(L)))}}function Gt(r,e){let t=I(r,"tokens_day"),s=e===null?null:I(r,e),i=s===null?0:L(s);return t!==null&&L(t)>=.75&&L(t)>i?t:s===null||s.name==="requests_day"?null:s}function L(r){return r.limit===null?0:r.limit===0?1:Math.min(1,r.used/r.limit)}function Ue(r){return r>=.9?"red":r>=.75?"amber":"ok"}function I(r,e){return r.find(t=>t.name===e)??null}function yt(r){if(r==null)return null;let e=new Date(r);return Number.isNaN(e.valueOf())?null:e.toISOString()}var gt={ok:0,amber:1,red:2};function $t(r,e){return e.empty&&!r?.empty?"at_limit":!e.empty&&r?.empty?"reset":e.near&&!r?.near?"near_limit":gt[e.level]>gt[r?.level??"ok"]?e.level:null}var Vt=2e3,Qt=2147483647,D=class extends g{constructor(){super();this.now=null;this.#e=0;this.#t=0;this.#n=t=>{this.refresh(),clearTimeout(this.#r);let{detail:s}=t;this.isLate(s?.state??"")&&(this.#r=setTimeout(()=>{this.refresh()},Vt))};this.#o=()=>{document.visibilityState==="visible"&&this.refresh()};this.fetched=null,this.said=""}static{this.properties={...g.properties,fetched:{state:!0},said:{state:!0}}}#s;#r;#e;#t;connectedCallback(){super.connectedCallback(),document.addEventListener(Re,this.#n),document.addEventListener("visibilitychange",this.#o),this.hasUpdated&&this.refresh()}disconnectedCallback(){super.disconnectedCallback(),document.removeEventListener(Re,this.#n),document.removeEventListener("visibilitychange",this.#o),clearTimeout(this.#s),clearTimeout(this.#r)}async refresh(){let{service:t}=this;if(t===null||this.data!==null)return;let s=++this.#e,i=await this.load(t).catch(()=>null);i===null||s<this.#t||(this.#t=s,this.fetched=i)}load(t){return t.limits()}#i(){this.#t=this.#e+1,this.fetched=null,this.refresh()}isLate(t){return t==="stopped"}#n;#o;willUpdate(t){if((t.has("baseUrl")||t.has("token"))&&this.#i(),!t.has("data")&&!t.has("fetched"))return;let s=this.now;if(this.now=ne(this.data??this.fetched),this.now===null)return;let i=$t(s,this.now);i!==null&&this.#a(i,this.now,s===null),this.#l(this.now)}#a(t,s,i){i||(this.said=Yt(t,s)),this.emit("scalix-threshold",{threshold:t,standing:s})}#l({windows:t}){clearTimeout(this.#s);let s=t.filter(n=>n.used>0&&n.resets_at!==null).map(n=>new Date(n.resets_at??"").valueOf()-Date.now()).filter(n=>n>0);if(s.length===0)return;let i=Math.min(Math.min(...s)+1e3,Qt);this.#s=setTimeout(()=>{this.refresh()},i)}};function Yt(r,{remaining:e,tighter:t,day:s}){let i=t??s,n=i===null?`${e??0} left`:ie(i);switch(r){case"at_limit":return`Free limit reached: ${n}.`;case"reset":return`Free requests are back: ${n}.`;case"near_limit":return`Almost out of free requests: ${n}.`;default:return`Free requests: ${n}.`}}var oe="banner",ae=class extends D{static{this.styles=[b,f`
      .banner {
        display: flex;
        flex-wrap: wrap;
        gap: 0.5rem 1rem;
        align-items: center;
        justify-content: space-between;
        padding: 0.625rem 1rem;
        border: 1px solid var(--_line);
        border-inline-start: 0.25rem solid var(--_accent);
        border-radius: var(--_radius);
        background: var(--_surface);
      }
      .banner.amber { border-inline-start-color: var(--_amber); }
      .banner.red { border-inline-start-color: var(--_red); }
      .free-tier-info { display: flex; flex-wrap: wrap; gap: 0.125rem 0.875rem; align-items: baseline; }
      .tier { font-weight: 600; }
      .amber .remaining { color: var(--_amber); }
      .red .remaining { color: var(--_red); }
      .actions { display: flex; gap: 0.5rem; }
      button { min-height: 2.25rem; padding: 0.25rem 0.875rem; white-space: nowrap; }
      @media (pointer: coarse) { button { min-height: 2.75rem; } }
    `]}render(){let{now:e}=this;if(e===null)return this.fallback();let t=O(e);return l`
      <div class="banner ${t===null?"info":"warning"} ${e.level}" part="banner">
        <div class="free-tier-info">
          <span class="tier" part="tier">${pt(e)}</span>
          <span class="remaining" part="remaining">${mt(e)}</span>
          ${ft(e)}
        </div>
        ${this.#r(e)?this.#s(e):a}
      </div>
      <span class="spoken" role="status">${this.said}</span>
    `}#s(e){let t=e.empty?"upgrade-button primary":"upgrade-button";return l`<div class="actions">
      <button type="button" class=${t} part="upgrade" @click=${this.#t}>Upgrade to Pro</button>
      ${e.empty?a:l`<button type="button" class="quiet" part="dismiss" @click=${this.#i}>Not now</button>`}
    </div>`}#r(e){return e.empty||e.near&&!ke(M(),Date.now())}updated(e){super.updated(e);let{now:t}=this,s=t===null?null:O(t);if(s===this.#e||t===null||(this.#e=s,s===null||!this.#r(t)))return;let i=(t.tighter??t.day)?.name??"",n=t.resetAt===null?0:Date.parse(t.resetAt);re({trigger:s,nowMs:Date.now(),window:i,resetMs:n})&&this.record({trigger:s,action:"impression",message_id:oe})}#e=null;#t=()=>{this.upgrade(this.now===null?null:O(this.now),oe)};#i=()=>{B(te(M(),Date.now())),this.record({trigger:"NEAR_LIMIT",action:"dismiss",message_id:oe}),this.emit("scalix-dismiss",{trigger:"NEAR_LIMIT",message_id:oe}),this.requestUpdate()}};function le({base:r,price:e}){return e!==r}function de({price:r,renewal:e},t,s){let i=`${U(e,t)} a ${s}`;return r===e?i:`${U(r,t)} for the first ${s}, then ${i}`}function _t({percent:r,reason:e,expires_at:t}){let s=e.replace(/[.\s]+$/,""),i=`${r} % off`;return`${s===""?i:s.startsWith(i)?s:`${i}: ${s}`}.${t===null?"":` Until ${Kt(t)}.`}`}function Kt(r){let e=new Date(r);return Number.isNaN(e.valueOf())?r:e.toLocaleDateString([],{day:"numeric",month:"long",year:"numeric"})}var ce="pricing",xt="PRICE_PAGE",Jt="payments_unavailable",Xt=[["AI Models","The free models","All models + Scalix Engine"],["Context Window","32K tokens","1M+ tokens"],["Response Speed","Standard","Priority"],["File Operations","Basic","Advanced (lazy edits)"],["Support","Community","Priority"],["API Access","Limited","Full"]],ue=class extends g{static{this.properties={...g.properties,interval:{reflect:!0},offer:{state:!0},limits:{state:!0},plain:{state:!0},buying:{state:!0}}}static{this.styles=[b,f`
      .pricing { display: grid; grid-template-columns: minmax(0, 1fr); gap: 1.25rem; }
      h3 { font-size: 1.25rem; }
      fieldset { display: flex; flex-wrap: wrap; gap: 0.25rem; margin: 0; padding: 0.25rem; border: 1px solid var(--_line); border-radius: 99rem; background: var(--_inset); justify-self: start; }
      fieldset label { display: flex; align-items: center; min-height: 2.25rem; padding: 0 1rem; border-radius: 99rem; cursor: pointer; }
      fieldset label:has(:checked) { background: var(--_surface); font-weight: 600; box-shadow: 0 0 0 1px var(--_edge); }
      fieldset label:has(:focus-visible) { outline: 3px solid var(--_accent); outline-offset: 2px; }
      fieldset input { position: absolute; opacity: 0; pointer-events: none; }
      .now { font-size: 2rem; font-weight: 700; letter-spacing: -0.02em; font-variant-numeric: tabular-nums; line-height: 1.2; }
      .plain { justify-self: start; min-height: 2rem; padding: 0.125rem 0.75rem; font-size: var(--_small); font-weight: 400; }
      .why { display: grid; gap: 0.25rem; padding-inline-start: 1.25rem; list-style: disc; }
      .why-price { display: grid; gap: 0.375rem; }
      .scroll { overflow-x: auto; }
      table { width: 100%; border-collapse: collapse; }
      th, td { padding: 0.5rem 0.75rem; border-top: 1px solid var(--_line); text-align: start; }
      thead th, thead td { border-top: 0; }
      tbody th { font-weight: 500; padding-inline-start: 0; }
      th:last-child, td:last-child { background: var(--_accent-soft); }
      .offer { display: grid; gap: 1.25rem; }
      .buy { display: grid; gap: 0.75rem; justify-items: start; }
      form { display: grid; gap: 0.625rem; width: min(100%, 30rem); }
      input[type="email"] { width: 100%; min-height: var(--_target); padding: 0.5rem 0.75rem; border: 1px solid var(--_edge); border-radius: var(--_radius-small); background: var(--_surface); font-size: 1rem; }
      .check { display: flex; gap: 0.625rem; align-items: start; }
      .check input { flex: none; width: 1.25rem; height: 1.25rem; margin: 0.2rem 0 0; accent-color: var(--_accent); }
      .bad { color: var(--_red); }
      @media (max-width: 34rem) {
        thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
        tbody tr { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); padding-block: 0.5rem; border-top: 1px solid var(--_line); }
        tbody th, tbody td { padding: 0.25rem 0.5rem; border: 0; }
        tbody th { grid-column: 1 / -1; padding-inline: 0.5rem; }
        td::before { content: attr(data-label); display: block; color: var(--_muted); font-size: var(--_small); }
      }
      @media (forced-colors: active) { th:last-child, td:last-child { border-inline: 1px solid CanvasText; } }
      @media print { .buy, fieldset { display: none; } .scroll { overflow: visible; } }
    `]}constructor(){super(),this.interval="month",this.offer=null,this.limits=null,this.plain=!1,this.buying="no"}willUpdate(e){(e.has("baseUrl")||e.has("token")||e.has("plain"))&&this.data===null&&this.#s()}async#s(){let{service:e}=this;if(e===null)return;let t=++this.#e,[s,i]=await Promise.allSettled([e.offer(this.interval,{plain:this.plain}),e.limits()]);t===this.#e&&(s.status==="fulfilled"&&(this.offer=s.value),i.status==="fulfilled"&&(this.limits=i.value))}updated(){this.#r||(C(this.data)??this.offer)===null||(this.#r=!0,this.record({trigger:xt,action:"impression",message_id:ce}))}#r=!1;#e=0;render(){let e=C(this.data)??this.offer;if(e===null)return this.fallback();let t=this.interval==="year"?e.annual:e.monthly;return l`<section class="pricing" part="pricing" aria-label="Prices">
      <fieldset part="interval">
        <legend class="spoken">How to pay</legend>
        ${this.#t("month","Monthly")} ${this.#t("year","Annual")}
      </fieldset>
      <div class="card offer" part="offer">
        ${this.#i(t,e)}
        <div class="buy" part="buy">${this.#o()}</div>
      </div>
      ${this.#n()}
    </section>`}#t(e,t){return l`<label>
      <input type="radio" name="interval" .checked=${this.interval===e} @change=${()=>this.interval=e} />
      ${t}
    </label>`}#i(e,{currency:t,notice:s}){return l`<div class="why-price" part="price" aria-live="polite">
      <h3>Pro</h3>
      <p class="now">${U(e.price,t)}</p>
      <p>${de(e,t,this.interval)}</p>
      ${le(e)||e.discounts.length>0?l`<h4 class="spoken">Why this price</h4>
            <ul class="why" part="why">
              <li>List price ${U(e.base,t)}.</li>
              ${e.discounts.map(i=>l`<li>${_t(i)}</li>`)}
            </ul>`:a}
      ${s===null?a:l`<p class="muted" part="notice">${s}</p>`}
      ${this.service!==null&&(this.plain||s!==null)?l`<button type="button" class="plain" part="plain" @click=${()=>this.plain=!this.plain}>
            ${this.plain?"Show my own price":"Use the plain price"}
          </button>`:a}
    </div>`}#n(){let e=ne(this.data??this.limits),t=e?.tier==="pro"?null:e?.day?.limit??null,s=[["Requests/Day",t===null?"Limited":m(t),"Unlimited"],...Xt];return l`<div class="scroll" role="region" aria-label="Free beside Pro" tabindex="0">
      <table part="matrix">
        <thead><tr><td></td><th scope="col">Free Tier</th><th scope="col">Pro Tier</th></tr></thead>
        <tbody>
          ${s.map(([i,n,o])=>l`<tr><th scope="row">${i}</th><td data-label="Free Tier">${n}</td><td data-label="Pro Tier">${o}</td></tr>`)}
        </tbody>
      </table>
    </div>`}#o(){let{buying:e}=this,t=(C(this.data)??this.offer)?.payments_available===!1;return e==="sent"?l`<p role="status">Thank you. We will write to you, once, when Pro can be bought.</p>`:e==="lead"||t&&this.service!==null?l`${this.#a()} ${typeof e=="object"?l`<p class="bad" role="alert">${e.error}</p>`:a}`:l`
      <button type="button" class="upgrade-button primary" part="upgrade" ?disabled=${e==="busy"} @click=${this.#l}>
        Upgrade to Pro
      </button>
      ${typeof e=="object"?l`<p class="bad" role="alert">${e.error}</p>`:a}
    `}#a(){return l`<form part="lead" @submit=${this.#d}>
      <p role="status">Pro cannot be bought here yet. Leave your address, and you will hear when it can.</p>
      <label for="email">E-mail</label>
      <input type="email" id="email" name="email" required autocomplete="email" />
      <label class="check"><input type="checkbox" name="consent" required /><span>You may write to me about Pro. I can take this back at any time.</span></label>
      <button class="primary">Tell me</button>
    </form>`}#l=async()=>{let{service:e,interval:t}=this;if(this.record({trigger:xt,action:"click",message_id:ce}),!!this.emit("scalix-upgrade",{trigger:null,message_id:ce,interval:t})&&e!==null){this.buying="busy";try{let{url:s}=await e.checkout("pro",t);this.buying="no",location.assign(s)}catch(s){this.buying=wt(s)}}};#d=async e=>{e.preventDefault();let t=e.target.elements.namedItem("email");try{await this.service?.lead(t.value,ce),this.buying="sent"}catch(s){this.buying=wt(s)}}};function wt(r){return r instanceof P?r.error.code===Jt?"lead":{error:r.message}:{error:"That did not work. Try again in a moment."}}var he=class extends g{static{this.properties={...g.properties,trigger:{reflect:!0},fetched:{state:!0},gone:{state:!0}}}static{this.styles=[b,f`
      .prompt { display: grid; gap: 0.625rem; justify-items: start; }
      h3 { font-size: 1.125rem; }
      .price { font-variant-numeric: tabular-nums; }
      .row { display: flex; flex-wrap: wrap; gap: 0.5rem; }
      .notice { color: var(--_muted); font-size: var(--_small); }
    `]}#s=null;#r=0;constructor(){super(),this.trigger=null,this.fetched=null,this.gone=!1}willUpdate(e){(e.has("baseUrl")||e.has("token")||e.has("trigger"))&&this.data===null&&this.#e(),e.has("trigger")&&(this.gone=!1)}async#e(){let{trigger:e}=this,t=e===null?{}:{trigger:ot[e]},s=++this.#r,i=await this.service?.offer("month",t).catch(()=>null)??null;s===this.#r&&(this.fetched=i)}get#t(){let{trigger:e}=this.#i??{};return this.trigger??(e!=null&&e in Ee?e:null)}get#i(){return C(this.data)??this.fetched}get#n(){return this.#i?.message_id??`upgrade-${(this.#t??"none").toLowerCase()}`}updated(){let e=this.#t;this.gone||e===null||this.#s===e||this.#i===null||(this.#s=e,re({trigger:e,nowMs:Date.now()})&&this.record({trigger:e,action:"impression",message_id:this.#n}))}render(){let e=this.#i,t=this.#t;if(this.gone)return a;if(e===null)return this.fallback();let s=t!=="FIRST_REQUEST"&&e.call_to_action!==null,i=t===null?e.message:at(t,e);return l`<section class="card prompt" part="prompt" aria-labelledby="title">
      <h3 id="title" part="title">${i}</h3>
      ${e.message===i||!s?a:l`<p>${e.message}</p>`}
      ${s?l`<p class="price" part="price">${de(e.monthly,e.currency,"month")}</p>`:a}
      ${s&&le(e.monthly)&&e.notice!==null?l`<p class="notice" part="notice">${e.notice}</p>`:a}
      <div class="row">
        ${s?l`<button type="button" class="upgrade-button ${t==="AT_LIMIT"?"primary":""}" part="upgrade"
              @click=${()=>this.upgrade(t,this.#n)}>${e.call_to_action}</button>`:a}
        <button type="button" class="quiet" part="dismiss" @click=${this.#o}>${s?"Maybe later":"Got it"}</button>
      </div>
    </section>`}#o=()=>{let e=this.#t;this.gone=!0,e==="NEAR_LIMIT"&&B(te(M(),Date.now())),this.record({trigger:e??"NONE",action:"dismiss",message_id:this.#n}),this.emit("scalix-dismiss",{trigger:e,message_id:this.#n})}};var Oe=20,Le=4,Ie=80;function St(r){let e=Math.max(1,...r.map(s=>s.requests)),t=r.length*(Oe+Le)-Le;return l`
    <svg class="bars" part="bars" viewBox="0 0 ${Math.max(1,t)} ${Ie}" preserveAspectRatio="none" role="img"
      aria-label="Requests of the last ${r.length} days; the table below has the numbers">
      ${r.map((s,i)=>{let n=s.requests===0?1:Math.max(2,s.requests/e*Ie);return Ze`<rect x=${i*(Oe+Le)} y=${Ie-n} width=${Oe} height=${n}>
          <title>${s.date}: ${Q(s.requests,"request")}</title></rect>`})}
    </svg>
    <details>
      <summary>As a table</summary>
      <table>
        <thead><tr><th scope="col">Day (UTC)</th><th scope="col">Requests</th><th scope="col">Tokens</th></tr></thead>
        <tbody>
          ${r.map(s=>l`<tr>
              <th scope="row">${s.date}</th>
              <td>${m(s.requests)}</td>
              <td>${m(s.tokens)}</td>
            </tr>`)}
        </tbody>
      </table>
    </details>
  `}var Zt=14,er="usage-dashboard",pe=class extends D{static{this.styles=[b,f`
      h3 { font-size: 1.25rem; }
      h4 { margin: 1.5rem 0 0.5rem; font-size: 1rem; }
      .usage-dashboard { display: grid; gap: 1rem; }
      .usage-stats { display: grid; gap: 0.75rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 9.5rem), 1fr)); }
      .stat { display: grid; gap: 0.25rem; align-content: start; padding: 0.875rem; border-radius: var(--_radius); background: var(--_inset); }
      .label { color: var(--_muted); font-size: 0.875rem; }
      .value { font-size: 1.375rem; font-weight: 650; font-variant-numeric: tabular-nums; }
      .amber .value { color: var(--_amber); }
      .red .value { color: var(--_red); }
      .detail { color: var(--_muted); font-size: 0.875rem; }
      .bars { display: block; width: 100%; height: 5rem; }
      .bars rect { fill: var(--_accent); }
      summary { min-height: 1.75rem; padding: 0.25rem 0; cursor: pointer; color: var(--_muted); font-size: 0.875rem; }
      .scroll { overflow-x: auto; }
      table { width: 100%; border-collapse: collapse; font-size: 0.875rem; }
      th, td { padding: 0.375rem 0.75rem 0.375rem 0; border-top: 1px solid var(--_line); text-align: start; font-variant-numeric: tabular-nums; }
      thead th { border-top: 0; color: var(--_muted); font-weight: 500; white-space: nowrap; }
      tbody th { font-weight: 400; }
      @media (max-width: 34rem) {
        .receipts thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
        .receipts tr { display: grid; grid-template-columns: 7rem 1fr; padding: 0.5rem 0; border-top: 1px solid var(--_line); }
        .receipts th, .receipts td { grid-column: 2; padding: 0.125rem 0; border: 0; overflow-wrap: anywhere; }
        .receipts [data-label]::before { content: attr(data-label); margin-inline-start: -7rem; display: inline-block; width: 7rem; color: var(--_muted); }
      }
      @media print {
        summary { display: none; }
        details::details-content { content-visibility: visible; block-size: auto; }
        .scroll { overflow: visible; }
      }
      @media (forced-colors: active) { .stat { border: 1px solid CanvasText; } .bars rect { fill: CanvasText; } }
    `]}load(e){return e.usage(Zt)}isLate(){return!0}render(){let{now:e}=this;if(e===null)return this.fallback();let t=bt(this.data??this.fetched);return l`
      <section class="usage-dashboard card" part="dashboard" aria-labelledby="title">
        <h3 id="title">Your Free Usage</h3>
        <div class="usage-stats" part="stats">
          ${Ce("Requests Today",e.day)} ${Ce("Tokens Used",e.tokens)} ${sr(e)}
          ${e.windows.filter(tr).map(s=>Ce(ut(s),s))}
        </div>
        ${t===null||t.days.length===0?a:l`<div part="history"><h4>The last ${t.days.length} days</h4>${St(t.days)}</div>`}
        ${t===null?a:t.shared?ir():nr(t.receipts)}
        ${e.tier==="pro"?a:l`<div>
              <button type="button" class="upgrade-button ${e.near||e.empty?"primary":""}" part="upgrade"
                @click=${()=>this.upgrade(O(e),er)}>
                Upgrade to Unlimited Usage
              </button>
            </div>`}
      </section>
      <span class="spoken" role="status">${this.said}</span>
    `}};function tr({name:r}){return r!=="requests_day"&&r!=="tokens_day"}function Ce(r,e){if(e===null)return a;let t=e.unit==="calls"?"ok":Ue(L(e)),{limit:s,used:i}=e;return l`<div class="stat ${t}" part="stat">
    <span class="label">${r}</span>
    <span class="value">${ct(e)}</span>
    ${s===null?a:l`<progress class=${t} max=${Math.max(1,s)} value=${Math.min(i,s)}
          aria-label="${r}: ${m(i)} of ${m(s)} used"></progress>`}
    ${rr(e)}
  </div>`}function rr({remaining:r,limit:e,resets_at:t,unit:s}){if(e===null)return a;let n=t===null||s==="calls"?"":`, more ${Me(t,new Date)}`;return l`<span class="detail">${m(r??0)} left${n}</span>`}function sr({resetAt:r}){let e=new Date;return l`<div class="stat" part="stat">
    <span class="label">Reset Time</span>
    <span class="value">${r===null?"N/A":V(r,Y(r,e))}</span>
    ${r===null?a:l`<span class="detail">${Me(r,e)}, ${r.slice(11,16)} UTC</span>`}
  </div>`}function ir(){return l`<p class="muted" part="shared">
    These are the sums of your network address, which neighbours may share; so there are no receipts.
  </p>`}function nr(r){if(r.length===0)return l`<p class="muted">No receipts yet: each request leaves one here, a moment after it.</p>`;let e=new Date;return l`<div class="receipts" part="receipts">
    <h4>${r.length===1?"The last request":`The last ${r.length} requests`}</h4>
    <div class="scroll" role="region" aria-label="Receipts" tabindex="0">
      <table>
        <thead>
          <tr><th scope="col">When</th><th scope="col">Model</th><th scope="col">Outcome</th><th scope="col">Tokens</th><th scope="col">Charged</th><th scope="col">Time</th></tr>
        </thead>
        <tbody>
          ${r.map(t=>l`<tr>
              <th scope="row" data-label="When">${V(t.at,Y(t.at,e))}</th>
              <td data-label="Model">${t.model??"–"}</td>
              <td data-label="Outcome">${or(t)}</td>
              <td data-label="Tokens">${m((t.prompt_tokens??0)+(t.completion_tokens??0))}</td>
              <td data-label="Charged">${ar(t)}</td>
              <td data-label="Time">${t.total_ms===null?"–":ht(t.total_ms)}</td>
            </tr>`)}
        </tbody>
      </table>
    </div>
  </div>`}function or({outcome:r,cache:e,attempts:t,code:s}){if(s)return`${r}: ${s.replaceAll("_"," ")}`;let i=e==="hit"?", from memory":(t??1)>1?`, attempt ${t}`:"";return r+i}function ar({charged_requests:r,charged_tokens:e}){let t=r??0,s=e??0;return t===0&&s===0?"not charged":`${Q(t,"request")}, ${Q(s,"token")}`}G("scalix-banner",ae);G("scalix-usage",pe);G("scalix-upgrade",he);G("scalix-pricing",ue);})();
